# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Learn to read handwritten digits: the 1,797 that come with scikit-learn, each 8 by 8 pixels.

Reads and writes where SageMaker's containers do, so it trains there as it trains here.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import torch
from contract import CHECKPOINTS, HYPERPARAMETERS, MODEL, failures_told, note, save
from early_stopping import EarlyStopping
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}
LINES_PER_EPOCH = 3

Split = tuple[torch.Tensor, torch.Tensor]


def main() -> None:
    settings = json.loads(HYPERPARAMETERS.read_text())
    # A net this small is fastest on one core; more threads would wait for each other.
    torch.set_num_threads(1)
    torch.manual_seed(settings["seed"])
    training, validation, test = split_digits(settings)
    model = build_model(settings)
    best = train(model, training, validation, settings)
    model.load_state_dict(best)
    save(best, MODEL / "digits.pt")
    accuracy = evaluate(model, test)[1]
    note({"test_accuracy": round(accuracy, 4), "test_digits": len(test[1])})
    print(f"test accuracy {accuracy:.3f} on {len(test[1])} digits never seen in training")


def split_digits(settings: dict) -> tuple[Split, Split, Split]:
    """Training, validation and test digits. Each digit is in one of them only."""
    digits = load_digits()
    images = torch.tensor(digits.images / 16, dtype=torch.float32).unsqueeze(1)
    labels = torch.tensor(digits.target)
    rest, test = train_test_split(
        range(len(labels)), test_size=settings["test_split"], random_state=settings["seed"], stratify=digits.target
    )
    training, validation = train_test_split(
        rest, test_size=settings["validation_split"], random_state=settings["seed"], stratify=digits.target[rest]
    )
    print(f"{len(training)} digits to train with, {len(validation)} to validate, {len(test)} held out for the test")
    return tuple((images[part], labels[part]) for part in (training, validation, test))


def build_model(settings: dict) -> nn.Module:
    """Two layers of convolution, then one fully connected."""
    activation = ACTIVATIONS[settings["activation"]]
    first, second = settings["channels"]
    return nn.Sequential(
        nn.Conv2d(1, first, kernel_size=3, padding=1),
        activation(),
        nn.Conv2d(first, second, kernel_size=3, padding=1),
        activation(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(settings["dropout"]),
        nn.Linear(second * 4 * 4, 10),
    )


def train(model: nn.Module, training: Split, validation: Split, settings: dict) -> dict:
    """Train until the last epoch or until the validation loss keeps rising; returns the weights of the best epoch."""
    optimiser = torch.optim.Adam(model.parameters(), lr=settings["learning_rate"])
    early = EarlyStopping(settings["patience"])
    first_epoch, best, best_loss = 1, model.state_dict(), float("inf")
    checkpoint = newest_checkpoint()
    if checkpoint:
        state = torch.load(checkpoint)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"])
        early, best, best_loss = EarlyStopping(**state["early"]), state["best"], state["best_loss"]
        first_epoch = state["epoch"] + 1
        print(f"resuming after epoch {state['epoch']} from {checkpoint.name}")
    for epoch in range(first_epoch, settings["epochs"] + 1):
        if early.reached:
            print(f"stopping early: the validation loss rose {early.rises} epochs running")
            break
        started = time.monotonic()
        training_loss = train_epoch(model, optimiser, training, epoch, settings)
        loss, accuracy = evaluate(model, validation)
        early = early.after(loss)
        if loss < best_loss:
            best_loss, best = loss, {name: weights.clone() for name, weights in model.state_dict().items()}
        seconds = round(time.monotonic() - started, 2)
        print(
            f"epoch {epoch}/{settings['epochs']} done: validation loss {loss:.4f} accuracy {accuracy:.3f} in {seconds} s"
        )
        note({"epoch": epoch, "training_loss": training_loss, "validation_loss": loss, "validation_accuracy": accuracy})
        state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "random": torch.get_rng_state()}
        state |= {"epoch": epoch, "early": asdict(early), "best": best, "best_loss": best_loss}
        save(state, CHECKPOINTS / f"epoch-{epoch:04d}.pt")
    return best


def train_epoch(
    model: nn.Module, optimiser: torch.optim.Optimizer, training: Split, epoch: int, settings: dict
) -> float:
    """One look at every training digit, moved a little; returns the mean loss."""
    model.train()
    images, labels = training
    batches = torch.randperm(len(labels)).split(settings["batch_size"])
    line_every = max(1, len(batches) // LINES_PER_EPOCH)
    total = 0.0
    for number, batch in enumerate(batches, start=1):
        loss = nn.functional.cross_entropy(model(moved(images[batch])), labels[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.item() * len(batch)
        if number % line_every == 0:
            print(f"epoch {epoch}/{settings['epochs']} batch {number}/{len(batches)} loss {loss.item():.4f}")
    return total / len(labels)


def moved(images: torch.Tensor) -> torch.Tensor:
    """The images, moved by at most one pixel: there are few, and a moved digit is still that digit."""
    down, right = torch.randint(-1, 2, (2,)).tolist()
    return images.roll((down, right), dims=(2, 3))


@torch.no_grad()
def evaluate(model: nn.Module, split: Split) -> tuple[float, float]:
    """Loss and accuracy."""
    model.eval()
    images, labels = split
    answers = model(images)
    accuracy = (answers.argmax(dim=1) == labels).float().mean().item()
    return nn.functional.cross_entropy(answers, labels).item(), accuracy


def newest_checkpoint() -> Path | None:
    return max(CHECKPOINTS.glob("epoch-*.pt"), default=None)


if __name__ == "__main__":
    with failures_told():
        main()
