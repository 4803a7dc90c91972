# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When to stop training: the validation loss rose several epochs running."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class EarlyStopping:
    """What is known after some epochs. Immutable, so that a checkpoint can hold it."""

    patience: int
    previous: float = float("inf")
    rises: int = 0

    def after(self, loss: float) -> EarlyStopping:
        """What is known after one more epoch with this validation loss."""
        rises = self.rises + 1 if loss > self.previous else 0
        return replace(self, previous=loss, rises=rises)

    @property
    def reached(self) -> bool:
        return self.rises >= self.patience
