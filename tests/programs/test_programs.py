"""Programs in PyTorch's style (examples/pytorch) give the same losses under `cutaway run` as under PyTorch: 50 steps each.

Float32 losses agree to 1e-4 where a training lets roundings be. Many do not: Adadelta and Adam divide small gradients by
themselves, batch norm divides by deviations, GANs and policies feed on their own output, LBFGS extrapolates. There PyTorch on
one thread differs from PyTorch on two by 1e-3 to 1e-1 within 50 steps, so that float32 says little. They run in float64, where
the same amplification starts from 1e-16, and must agree to 1e-6.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("PIL")

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1] / "src"
SINGLE, DOUBLE = ("float32", 1e-4), ("float64", 1e-6)

# Dropout's masks differ from PyTorch's on purpose, so it is off.
ROWS = {
    "actor_critic": SINGLE,
    "autoencoder": SINGLE,
    "char_cells --cell lstm": SINGLE,
    "char_gru": SINGLE,
    "char_lstm --dropout 0 --tied": SINGLE,
    "dcgan": DOUBLE,
    "ddp": SINGLE,
    "diffusion": SINGLE,
    "dqn": SINGLE,
    "gpt": SINGLE,
    "image_zoo --arch resnet": DOUBLE,
    "image_zoo --arch bottleneck": DOUBLE,
    "image_zoo --arch mobilenet --dropout 0": DOUBLE,
    "mixed_precision": SINGLE,
    "mnist --dropout 0 --test-size 500": DOUBLE,
    "ppo": SINGLE,
    "regression": SINGLE,
    "reinforce": DOUBLE,
    "seq2seq --dropout 0": SINGLE,
    "siamese --loss contrastive": SINGLE,
    "sine_lbfgs": SINGLE,
    "style_transfer --adam": DOUBLE,
    "super_resolution": SINGLE,
    "text_transformer --dropout 0": SINGLE,
    "unet": DOUBLE,
    "vae": SINGLE,
    "vit --drop-path 0": SINGLE,
    "wgan_gp": DOUBLE,
    "word_embeddings": SINGLE,
    "char_cells --cell rnn": SINGLE,
    "char_cells --cell gru": SINGLE,
    "dqn --double": SINGLE,
    "gpt --no-flash --bias --accumulation 2": SINGLE,
    "image_zoo --arch vgg --dropout 0": SINGLE,
    "image_zoo --arch densenet": DOUBLE,
    "image_zoo --arch senet": SINGLE,
    "mixed_precision --old-names": SINGLE,
    "siamese --loss triplet": DOUBLE,
    "siamese --loss cosine": DOUBLE,
    "siamese --loss logistic": DOUBLE,
    "sine_lbfgs --line-search": SINGLE,
    "text_transformer --dropout 0 --norm-first": SINGLE,
    "unet --bilinear": DOUBLE,
    "vit --drop-path 0 --mixup 0.4": SINGLE,
    "wgan_gp --spectral": DOUBLE,
}


@dataclass
class Found:
    losses: list[float]
    trouble: str | None
    output: str
    seconds: float


def flat(x):
    return [v for y in x for v in flat(y)] if isinstance(x, list) else [x]


# Compiling for 50 steps takes longer than the steps, so all run in NumPy op by op, and a few with native kernels, too.
NATIVE = [
    "actor_critic",
    "dcgan",
    "mnist --dropout 0 --test-size 500",
    "ppo",
    "super_resolution",
    "vae",
]
SIDES = {
    "torch": ([sys.executable], [*ROWS]),
    "numpy": ([sys.executable, "-m", "cutaway", "run"], [*ROWS]),
    "native": ([sys.executable, "-m", "cutaway", "run"], NATIVE),
}
OURS = [(side, row) for side in ("numpy", "native") for row in SIDES[side][1]]


def start(side, folder):
    command, todo = SIDES[side]
    rows, out = folder / f"{side}-rows.json", folder / f"{side}.json"
    rows.write_text(json.dumps([[row.split()[0], ["--steps", "50", *row.split()[1:]], ROWS[row][0]] for row in todo]))
    path = [str(HERE / "stand_in"), str(SOURCE)] if side == "torch" else [str(SOURCE)]
    settings = {"PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1"}
    if side == "numpy":
        settings["CUTAWAY_EAGER"] = "numpy"
    log = open(folder / f"{side}.log", "w")  # noqa: SIM115
    process = subprocess.Popen(
        [*command, str(HERE / "runner.py"), str(rows), str(out)], stdout=log, stderr=log, cwd=folder,
        env={**os.environ, **settings},
    )  # fmt: skip
    return process, log, out


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each side found: a process each, at the same time."""
    folder = tmp_path_factory.mktemp("programs")
    running = {side: start(side, folder) for side in SIDES}
    results = {}
    for side, (process, log, out) in running.items():
        code = process.wait()
        log.close()
        text = (folder / f"{side}.log").read_text()
        assert code == 0, f"{side} ended with {code}: {text[-2000:]}"
        for row, f in zip(SIDES[side][1], json.loads(out.read_text()), strict=True):
            results[side, row] = Found(flat(f[0]), *f[1:])
    return results


@pytest.mark.parametrize(("side", "row"), OURS)
def test_losses_are_pytorchs(side, row, found):
    theirs, ours = found["torch", row], found[side, row]
    assert theirs.trouble is None, theirs.trouble
    assert ours.trouble is None, ours.trouble
    assert len(ours.losses) == len(theirs.losses) >= 50
    assert len(set(theirs.losses)) > 3, "the losses do not move"  # triplets are soon told apart: a loss of 0
    np.testing.assert_allclose(ours.losses, theirs.losses, rtol=ROWS[row][1], atol=1e-7)
