# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw new images like those in a folder: a deep convolutional generative adversarial network (DCGAN).

python3 run_gaudi_dcgan.py --dataroot /efs/images/ --seed 215 --name msls_2022_01_24_001 --s_epoch 0 --n_epoch 16

On Gaudi, a GPU or a CPU, whichever there is. Checkpoints are /opt/ml/checkpoints/NAME/checkpoint_EPOCH.pt; --s_epoch N goes on
after the checkpoint of epoch N.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from contract import CHECKPOINTS, HYPERPARAMETERS, MODEL, OUTPUT, failures_told, note, save
from PIL import Image
from torch import nn

# What the original is given with -t; the file of hyperparameters changes some of them.
DEFAULTS = {
    "nc": 3,
    "nz": 128,
    "ngf": 128,
    "ndf": 32,
    "lr": 0.0002,
    "beta1": 0.5,
    "beta2": 0.999,
    "batch_size": 256,
    "img_size": 128,
    "weight_decay": 0.05,
}
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
SMALLEST_MAP = 4
SHOWN_IMAGES = 16
LINES_PER_EPOCH = 4


def main() -> None:
    options = parse_options(sys.argv[1:])
    given = json.loads(HYPERPARAMETERS.read_text()) if HYPERPARAMETERS.exists() else {}
    settings = {**DEFAULTS, **given}
    torch.manual_seed(options.seed)
    device = best_device()
    images = read_images(options.dataroot, settings)
    print(f"{len(images)} images of {settings['img_size']} by {settings['img_size']} pixels; training on {device}")
    networks = Networks(settings, device)
    if options.s_epoch:
        networks.load(checkpoint_of(options.name, options.s_epoch))
        print(f"resuming after epoch {options.s_epoch}")
    board = open_board(OUTPUT / "tensorboard" / options.name)
    for epoch in range(options.s_epoch + 1, options.n_epoch + 1):
        losses = train_epoch(networks, images, epoch, options.n_epoch, settings)
        note({"epoch": epoch, **losses})
        for name, value in losses.items():
            board.add_scalar(name, value, epoch)
        drawn = networks.draw(SHOWN_IMAGES)
        board.add_images("drawn", (drawn + 1) / 2, epoch)
        save(networks.state(epoch), checkpoint_of(options.name, epoch))
        print(
            f"epoch {epoch}/{options.n_epoch} done: "
            + " ".join(f"{name} {value:.4f}" for name, value in losses.items())
        )
    board.close()
    save({"generator": networks.generator.state_dict()}, MODEL / "generator.pt")
    save_sheet(networks.draw(SHOWN_IMAGES), MODEL / "drawn.png")


def parse_options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a DCGAN.")
    parser.add_argument("--dataroot", type=Path, required=True, help="folder with images, also below it")
    parser.add_argument("--seed", type=int, default=215, help="default: %(default)s")
    parser.add_argument("--name", default="dcgan", help="folder of the checkpoints (default: %(default)s)")
    parser.add_argument("--s_epoch", type=int, default=0, help="go on after this epoch (default: from the beginning)")
    parser.add_argument("--n_epoch", type=int, default=16, help="last epoch (default: %(default)s)")
    return parser.parse_args(arguments)


def best_device() -> torch.device:
    try:
        import habana_frameworks.torch.core  # noqa: F401 its import brings the device hpu
    except ImportError:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device("hpu")


def checkpoint_of(name: str, epoch: int) -> Path:
    return CHECKPOINTS / name / f"checkpoint_{epoch}.pt"


def read_images(folder: Path, settings: dict) -> torch.Tensor:
    """All images of a folder, cut to squares of one size: images by channels by rows by columns, from -1 to 1."""
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise FileNotFoundError(f"there is no image ({', '.join(IMAGE_SUFFIXES)}) in {folder}")
    mode, size = {1: "L", 3: "RGB"}[settings["nc"]], settings["img_size"]
    rows = []
    for file in files:
        with Image.open(file) as image:
            side = min(image.size)
            left, top = (image.width - side) // 2, (image.height - side) // 2
            square = image.convert(mode).resize((size, size), box=(left, top, left + side, top + side))
        pixels = np.asarray(square, dtype=np.float32).reshape(size, size, settings["nc"])
        rows.append(torch.from_numpy(pixels / 127.5 - 1).permute(2, 0, 1))
    return torch.stack(rows)


class Networks:
    """The network that draws, the one that tells drawn images from true ones, and what moves both."""

    def __init__(self, settings: dict, device: torch.device) -> None:
        self.device = device
        self.noise_size = settings["nz"]
        self.generator = build_generator(settings).apply(start_weights).to(device)
        self.critic = build_critic(settings).apply(start_weights).to(device)
        moved = {"lr": settings["lr"], "betas": (settings["beta1"], settings["beta2"])}
        moved["weight_decay"] = settings["weight_decay"]
        self.generator_optimiser = torch.optim.AdamW(self.generator.parameters(), **moved)
        self.critic_optimiser = torch.optim.AdamW(self.critic.parameters(), **moved)
        self.shown_noise = self.noise(SHOWN_IMAGES)

    def noise(self, count: int) -> torch.Tensor:
        return torch.randn(count, self.noise_size, 1, 1).to(self.device)

    @torch.no_grad()
    def draw(self, count: int) -> torch.Tensor:
        self.generator.eval()
        return self.generator(self.shown_noise[:count]).cpu()

    def _parts(self) -> dict:
        return {
            "generator": self.generator,
            "critic": self.critic,
            "generator_optimiser": self.generator_optimiser,
            "critic_optimiser": self.critic_optimiser,
        }

    def state(self, epoch: int) -> dict:
        states = {name: part.state_dict() for name, part in self._parts().items()}
        return {**states, "epoch": epoch, "random": torch.get_rng_state(), "shown_noise": self.shown_noise.cpu()}

    def load(self, checkpoint: Path) -> None:
        if not checkpoint.exists():
            there = ", ".join(sorted(file.name for file in checkpoint.parent.glob("checkpoint_*.pt"))) or "none"
            raise FileNotFoundError(f"there is no {checkpoint}; in its folder: {there}")
        state = torch.load(checkpoint, map_location=self.device)
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        torch.set_rng_state(state["random"].cpu())
        self.shown_noise = state["shown_noise"].to(self.device)


def build_generator(settings: dict) -> nn.Module:
    """From noise to an image, twice as large with every layer."""
    width = settings["ngf"] * settings["img_size"] // (2 * SMALLEST_MAP)
    layers: list[nn.Module] = [nn.ConvTranspose2d(settings["nz"], width, SMALLEST_MAP, bias=False)]
    while width > settings["ngf"]:
        layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False)]
        width //= 2
    layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.ConvTranspose2d(width, settings["nc"], 4, 2, 1, bias=False)]
    return nn.Sequential(*layers, nn.Tanh())


def build_critic(settings: dict) -> nn.Module:
    """From an image to one number, half as large with every layer."""
    size, width = settings["img_size"] // 2, settings["ndf"]
    layers: list[nn.Module] = [nn.Conv2d(settings["nc"], width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    while size > SMALLEST_MAP:
        layers += [nn.Conv2d(width, width * 2, 4, 2, 1, bias=False), nn.BatchNorm2d(width * 2), nn.LeakyReLU(0.2)]
        size, width = size // 2, width * 2
    return nn.Sequential(*layers, nn.Conv2d(width, 1, SMALLEST_MAP, bias=False), nn.Flatten(start_dim=0))


def start_weights(layer: nn.Module) -> None:
    """As in the paper: convolutions around 0, normalisations around 1."""
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)


def train_epoch(networks: Networks, images: torch.Tensor, epoch: int, epochs: int, settings: dict) -> dict[str, float]:
    """One look at every image; returns the mean loss of both networks."""
    networks.generator.train()
    networks.critic.train()
    batches = torch.randperm(len(images)).split(settings["batch_size"])
    line_every = max(1, len(batches) // LINES_PER_EPOCH)
    totals = {"generator_loss": 0.0, "critic_loss": 0.0}
    for number, batch in enumerate(batches, start=1):
        losses = step(networks, images[batch].to(networks.device))
        for name, loss in losses.items():
            totals[name] += loss * len(batch) / len(images)
        if number % line_every == 0:
            told = " ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
            print(f"epoch {epoch}/{epochs} batch {number}/{len(batches)} {told}")
    return totals


def step(networks: Networks, true: torch.Tensor) -> dict[str, float]:
    """The critic learns to tell true from drawn, then the generator learns to deceive it."""
    loss_of = nn.functional.binary_cross_entropy_with_logits
    drawn = networks.generator(networks.noise(len(true)))
    on_true, on_drawn = networks.critic(true), networks.critic(drawn.detach())
    critic_loss = loss_of(on_true, torch.ones_like(on_true)) + loss_of(on_drawn, torch.zeros_like(on_drawn))
    networks.critic_optimiser.zero_grad()
    critic_loss.backward()
    networks.critic_optimiser.step()
    deceived = networks.critic(drawn)
    generator_loss = loss_of(deceived, torch.ones_like(deceived))
    networks.generator_optimiser.zero_grad()
    generator_loss.backward()
    networks.generator_optimiser.step()
    return {"generator_loss": generator_loss.item(), "critic_loss": critic_loss.item()}


class NoBoard:
    """Stands in for TensorBoard's writer where there is none."""

    def add_scalar(self, *_arguments: object) -> None: ...
    def add_images(self, *_arguments: object) -> None: ...
    def close(self) -> None: ...


def open_board(folder: Path):  # noqa: ANN201 the type depends on what is installed
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        return NoBoard()
    return SummaryWriter(str(folder))


def save_sheet(images: torch.Tensor, path: Path) -> None:
    """Images in one row."""
    row = torch.cat(list(images), dim=2).add(1).mul(127.5).clamp(0, 255).byte().permute(1, 2, 0).numpy()
    Image.fromarray(row if row.shape[2] > 1 else row[:, :, 0]).save(path)


if __name__ == "__main__":
    with failures_told():
        main()
