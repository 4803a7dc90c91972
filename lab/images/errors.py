# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong while an image is made."""

from __future__ import annotations


class ImageError(RuntimeError):
    """An image cannot be made; the message says why and what to do."""
