"""From a trained network to what the report draws: the same measurements before and after training."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

import cutaway
from cutaway import nn
from cutaway.train.recipe import Recipe
from cutaway.train.report import Evidence, Histogram, Mistake, Plate, Weights
from cutaway.train.task import Task
from cutaway.train.trainer import Trainer, new_model

SAMPLE = 500
"""Test examples over which activations are collected."""

BINS = 40
ACTIVATIONS = {"ReLU", "LeakyReLU", "ELU", "GELU", "SiLU", "Sigmoid", "Tanh", "Softplus", "Hardtanh"}
_WORDS = {"Linear": "fully connected", "Conv2d": "convolution", "Conv1d": "convolution"}


def gather(recipe: Recipe, trainer: Trainer, metrics: list[dict[str, Any]]) -> Evidence:
    """All that report.html shows of a finished run.  Leaves `default_generator` re-seeded."""
    task, s, after = trainer.task, trainer.settings, trainer.model
    before = new_model(recipe, task, s)
    score = trainer.score_test()
    _, labels = task.test.gather(np.arange(len(task.test)))
    truth, guess = np.asarray(labels.numpy()), score.probabilities.argmax(1)
    confusion = np.zeros((len(task.classes), len(task.classes)), np.int64)
    np.add.at(confusion, (truth, guess), 1)
    return Evidence(
        title=recipe.name,
        summary=recipe.summary,
        settings={"recipe": recipe.name, **dataclasses.asdict(s)},
        metrics=metrics,
        steps_per_epoch=trainer.batches.per_epoch,
        batch_loss=np.asarray(trainer.losses),
        classes=list(task.classes),
        confusion=confusion,
        mistakes=_mistakes(task, truth, guess, score.probabilities),
        filters=_filters(before, after, task.shape),
        histograms=_histograms(before, after, task),
        parameters=[
            Weights(name, tuple(p.shape), float(old._data.std()), float(p._data.std()))
            for (name, old), (_, p) in zip(before.named_parameters(), after.named_parameters(), strict=True)
        ],
        plates=_plates(recipe, before, after),
        test_is_training_set=task.test is task.train,
    )


def _mistakes(task: Task, truth: np.ndarray, guess: np.ndarray, probabilities: np.ndarray) -> list[Mistake]:
    wrong = np.flatnonzero(truth != guess)
    if len(task.shape) != 3 or not len(wrong):
        return []
    images = task.test.gather(wrong)[0].numpy()
    return [
        Mistake(image, int(truth[i]), int(guess[i]), float(probabilities[i].max()), int(i))
        for i, image in zip(wrong, images, strict=True)
    ]


def _filters(before: nn.Module, after: nn.Module, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray] | None:
    def first(model: nn.Module) -> np.ndarray | None:
        w = next((p._data for p in model.parameters() if p.ndim >= 2), None)
        if w is not None and w.ndim == 2 and len(shape) == 3 and w.shape[1] == np.prod(shape):
            return w.reshape(-1, *shape)
        return w if w is not None and w.ndim == 4 else None

    old, new = first(before), first(after)
    return None if old is None or new is None else (old, new)


def _histograms(before: nn.Module, after: nn.Module, task: Task) -> list[Histogram]:
    x = task.test.gather(np.arange(min(SAMPLE, len(task.test))))[0]
    old, new = _outputs(before, x), _outputs(after, x)
    return [_histogram(name, old[name], new[name]) for name in new if name in old]


def _outputs(model: nn.Module, x: Any) -> dict[str, np.ndarray]:
    """What each layer puts out for x, flat, by the layer's name in words."""
    held: dict[str, np.ndarray] = {}

    def keep(name: str) -> Any:
        return lambda module, inputs, output: held.__setitem__(name, output.numpy().ravel())

    hooks = [module.register_forward_hook(keep(name)) for name, module in _layers(model)]
    try:
        model.eval()
        with cutaway.no_grad():
            model(x)
    finally:
        for hook in hooks:
            hook.remove()
    return held


def _layers(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The activations, each named after the layer before it, and the last layer that has weights."""
    found: list[tuple[str, nn.Module]] = []
    count: dict[str, int] = {}
    last: tuple[str, nn.Module] | None = None
    for module in model.modules():
        if any(True for _ in module.children()):
            continue
        kind = type(module).__name__
        if any(p.ndim >= 2 for p in module.parameters()):
            word = _WORDS.get(kind, kind)
            count[word] = count.get(word, 0) + 1
            last = (f"{word} {count[word]}", module)
        elif kind in ACTIVATIONS and last is not None:
            found.append((f"{last[0]} → {kind}", module))
    return [*found, (f"{last[0]} → logits", last[1])] if last is not None else found


def _histogram(name: str, before: np.ndarray, after: np.ndarray) -> Histogram:
    values = np.concatenate([before[before != 0], after[after != 0]])
    values = values[np.isfinite(values)]
    # The rarest thousandth is left out, so that one extreme value does not squeeze the rest together.
    low, high = np.quantile(values, [0.0005, 0.9995]) if values.size else (0.0, 1.0)
    if after.min() >= 0 and before.min() >= 0:
        low = 0.0
    edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)

    def shares(a: np.ndarray) -> np.ndarray:
        return np.histogram(a[a != 0], edges)[0] / a.size

    return Histogram(
        name, edges, shares(before), shares(after), float((before == 0).mean()), float((after == 0).mean())
    )


def _plates(recipe: Recipe, before: nn.Module, after: nn.Module) -> list[Plate]:
    with cutaway.no_grad():
        pairs = zip(recipe.plates(before.eval()), recipe.plates(after.eval()), strict=True)
        return [Plate(title, np.asarray(a.numpy()), np.asarray(b.numpy())) for (title, a), (_, b) in pairs]
