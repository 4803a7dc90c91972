# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container images behind the lab: its machine images and the servers that stand in for EFS and ECR."""

from __future__ import annotations

from lab.images.boot import RUN_OPTIONS, BootSettings
from lab.images.build import Images, build, build_box
from lab.images.errors import ImageError

__all__ = ["RUN_OPTIONS", "BootSettings", "ImageError", "Images", "build", "build_box"]
