# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a folder of images to train with: the 1,797 handwritten digits that come with scikit-learn.

python3 make_images.py /tmp/images
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

SIZE = 32


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    images = load_digits().images
    for number, pixels in enumerate(images):
        digit = Image.fromarray((pixels * 255 / 16).astype(np.uint8))
        digit.resize((SIZE, SIZE)).save(folder / f"{number:04d}.png")
    print(f"{len(images)} images are in {folder}")


if __name__ == "__main__":
    main()
