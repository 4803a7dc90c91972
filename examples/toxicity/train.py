# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sort short texts into six classes with a convolutional net, as toxic comments are sorted.

The comments of the contest may not be passed on. The texts are those of Debian's package fortunes instead; each of six of its
files is a class. The hyperparameters have the names of the original, in the place where it looks for them.
"""

from __future__ import annotations

import collections
import json
import os
import random
import re
from dataclasses import asdict
from pathlib import Path

import torch
from contract import CHECKPOINTS, HYPERPARAMETERS, MODEL, failures_told, note, save
from early_stopping import EarlyStopping
from torch import nn

SEEN_BY_THE_ORIGINAL = Path("/data/hyperparams.json")
TEXTS = Path(os.environ.get("TEXTS", "/usr/share/games/fortunes"))
CLASSES = ("art", "computers", "definitions", "politics", "science", "songs-poems")
ACTIVATIONS = {"relu": nn.ReLU, "elu": nn.ELU, "tanh": nn.Tanh}
KERNELS = (3, 4, 5)
PADDING, UNKNOWN = 0, 1
SEED = 1
LINES_PER_EPOCH = 4

Split = tuple[torch.Tensor, torch.Tensor]


def main() -> None:
    path = SEEN_BY_THE_ORIGINAL if SEEN_BY_THE_ORIGINAL.exists() else HYPERPARAMETERS
    settings = json.loads(path.read_text())
    torch.manual_seed(SEED)
    training, validation, test, vocabulary = split_texts(settings)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = MultiConvolution(settings, len(vocabulary) + 2).to(device)
    best = train(model, training, validation, settings)
    model.load_state_dict(best)
    save(best, MODEL / "multi-conv.pt")
    (MODEL / "vocabulary.json").write_text(json.dumps(vocabulary))
    loss, accuracy = evaluate(model, test)
    note({"test_loss": loss, "test_accuracy": accuracy, "test_texts": len(test[1])})
    print(f"test loss {loss:.4f} accuracy {accuracy:.3f} on {len(test[1])} texts never seen in training")


def read_texts() -> list[tuple[str, int]]:
    """Each text with the number of its class. In the files a line with a percent sign ends a text."""
    found = []
    for number, name in enumerate(CLASSES):
        whole = (TEXTS / name).read_text(encoding="utf-8", errors="replace")
        found += [(text, number) for text in re.split(r"^%\n", whole, flags=re.MULTILINE) if text.strip()]
    return found


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def split_texts(settings: dict) -> tuple[Split, Split, Split, dict[str, int]]:
    """Training, validation and test texts as numbers, and the number of each word that was met in training."""
    texts = read_texts()
    random.Random(SEED).shuffle(texts)  # noqa: S311 a choice of texts, no secret
    held_out = round(len(texts) * settings["test_split"])
    rest, test = texts[held_out:], texts[:held_out]
    kept = round(len(rest) * settings["val_split"])
    training, validation = rest[kept:], rest[:kept]
    counted = collections.Counter(word for text, _label in training for word in words_of(text))
    common = [word for word, _count in counted.most_common(settings["unique_words"] - 2)]
    vocabulary = {word: number for number, word in enumerate(common, start=UNKNOWN + 1)}
    print(f"{len(training)} texts to train with, {len(validation)} to validate, {len(test)} held out for the test")
    first, second, third = (as_numbers(part, vocabulary, settings) for part in (training, validation, test))
    return first, second, third, vocabulary


def as_numbers(texts: list[tuple[str, int]], vocabulary: dict[str, int], settings: dict) -> Split:
    """Words (texts by length) and answers (texts by classes)."""
    length = settings["max_review_length"]
    rows = []
    for text, _label in texts:
        numbers = [vocabulary.get(word, UNKNOWN) for word in words_of(text)][:length]
        padding = [PADDING] * (length - len(numbers))
        rows.append(padding + numbers if settings["padding"] == "pre" else numbers + padding)
    answers = nn.functional.one_hot(torch.tensor([label for _text, label in texts]), settings["classes"])
    return torch.tensor(rows), answers.float()


class MultiConvolution(nn.Module):
    """Several convolutions of different width over the same words, then two fully connected layers."""

    def __init__(self, settings: dict, words: int) -> None:
        super().__init__()
        width = settings["input_dimensions"]
        channels = [settings[f"layer_{number}_dimenssions"] for number in (1, 2, 3)]
        dense = [settings[f"dense_{number}_dimenssions"] for number in (1, 2)]
        activation = ACTIVATIONS[settings["activation_fn"]]
        self.embedding = nn.Sequential(
            nn.Embedding(words, width, padding_idx=PADDING), nn.Dropout(settings["embedding_dropout"])
        )
        self.convolutions = nn.ModuleList(
            nn.Sequential(nn.Conv1d(width, count, kernel), activation(), nn.AdaptiveMaxPool1d(1), nn.Flatten())
            for count, kernel in zip(channels, KERNELS, strict=True)
        )
        self.decision = nn.Sequential(
            nn.Linear(sum(channels), dense[0]),
            activation(),
            nn.Dropout(settings["dense_dropout"]),
            nn.Linear(dense[0], dense[1]),
            activation(),
            nn.Dropout(settings["dense_dropout"]),
            nn.Linear(dense[1], settings["classes"]),
        )

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        embedded = self.embedding(words).transpose(1, 2)
        return self.decision(torch.cat([each(embedded) for each in self.convolutions], dim=1))


def train(model: nn.Module, training: Split, validation: Split, settings: dict) -> dict:
    """Train until the last epoch or until the validation loss keeps rising; returns the weights of the best epoch."""
    optimiser = torch.optim.Adam(model.parameters())
    early = EarlyStopping(settings["patience"])
    first_epoch, best, best_loss = 1, copy_of(model), float("inf")
    checkpoint = max(CHECKPOINTS.glob("epoch-*.pt"), default=None)
    if checkpoint:
        state = torch.load(checkpoint)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        early, best, best_loss = EarlyStopping(**state["early"]), state["best"], state["best_loss"]
        first_epoch = state["epoch"] + 1
        print(f"resuming after epoch {state['epoch']} from {checkpoint.name}")
    for epoch in range(first_epoch, settings["epochs"] + 1):
        if early.reached:
            print(f"stopping early: the validation loss rose {early.rises} epochs running")
            break
        training_loss = train_epoch(model, optimiser, training, epoch, settings)
        loss, accuracy = evaluate(model, validation)
        early = early.after(loss)
        if loss < best_loss:
            best_loss, best = loss, copy_of(model)
        print(f"epoch {epoch}/{settings['epochs']} done: validation loss {loss:.4f} accuracy {accuracy:.3f}")
        note({"epoch": epoch, "training_loss": training_loss, "validation_loss": loss, "validation_accuracy": accuracy})
        state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "epoch": epoch}
        state |= {"early": asdict(early), "best": best, "best_loss": best_loss}
        save(state, CHECKPOINTS / f"epoch-{epoch:04d}.pt")
    return best


def train_epoch(
    model: nn.Module, optimiser: torch.optim.Optimizer, training: Split, epoch: int, settings: dict
) -> float:
    """One look at every training text; returns the mean loss."""
    model.train()
    words, answers = training
    device = next(model.parameters()).device
    batches = torch.randperm(len(words)).split(settings["batch_size"])
    line_every = max(1, len(batches) // LINES_PER_EPOCH)
    total = 0.0
    for number, batch in enumerate(batches, start=1):
        guesses = model(words[batch].to(device))
        loss = nn.functional.binary_cross_entropy_with_logits(guesses, answers[batch].to(device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.item() * len(batch)
        if number % line_every == 0:
            print(f"epoch {epoch}/{settings['epochs']} batch {number}/{len(batches)} loss {loss.item():.4f}")
    return total / len(words)


@torch.no_grad()
def evaluate(model: nn.Module, split: Split) -> tuple[float, float]:
    """Loss, and the share of texts whose likeliest class is theirs."""
    model.eval()
    device = next(model.parameters()).device
    guesses = torch.cat([model(part.to(device)).cpu() for part in split[0].split(256)])
    right = guesses.argmax(dim=1) == split[1].argmax(dim=1)
    return nn.functional.binary_cross_entropy_with_logits(guesses, split[1]).item(), right.float().mean().item()


def copy_of(model: nn.Module) -> dict:
    return {name: weights.clone() for name, weights in model.state_dict().items()}


if __name__ == "__main__":
    with failures_told():
        main()
