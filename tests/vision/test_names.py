"""Names of torchvision that docs/parity.md calls the same are torchvision's; paths that programs import from exist."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

LIST = Path(__file__).parents[2] / "tools" / "parity_names.txt"


def listed():
    section = ""
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif section.startswith("torchvision") and line and not line.startswith("#") and " ! " not in line:
            for name in line.partition(" = ")[0].split():
                yield section, name


def test_the_names_are_torchvision_s(tv):
    names = list(listed())
    assert len(names) > 150
    for section, name in names:
        assert hasattr(importlib.import_module(section), name), (section, name)


def test_functions_and_classes_take_the_same_arguments(tv):
    """In torchvision's order; what ours have besides stands behind, or is fixed in a builder."""
    for section, name in listed():
        theirs = getattr(importlib.import_module(section), name)
        ours = getattr(importlib.import_module(section.replace("torchvision", "cutaway.vision")), name)
        if not callable(theirs) or (isinstance(theirs, type) and theirs.__module__ == "enum") or section.endswith("models"):
            continue
        try:
            expected = list(inspect.signature(theirs).parameters)
        except (ValueError, TypeError):
            continue
        got = list(inspect.signature(ours).parameters)
        assert got[: len(expected)] == expected or set(expected) <= {"args", "kwargs"}, (section, name, got, expected)


@pytest.mark.parametrize(
    "path",
    """datasets.folder datasets.mnist datasets.cifar datasets.fakedata datasets.vision transforms.functional transforms.transforms
    transforms.autoaugment transforms.v2 transforms.v2.functional utils models.resnet models.vgg models.alexnet models.densenet
    models.squeezenet""".split(),
)
def test_paths(path):
    assert importlib.import_module(f"cutaway.vision.{path}")
