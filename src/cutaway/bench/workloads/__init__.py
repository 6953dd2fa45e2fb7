"""The workloads: what each is called, the file that defines it, and the ratios that it is to reach.

Each file defines `build(torch)`, which is called with Cutaway or with PyTorch: not a line of it knows which. A file is a
whole program and imports nothing, so that PyTorch's process never loads Cutaway; hence each spells out its network and step.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Workload(NamedTuple):
    """One row of the table.

    target   how many times faster than PyTorch's best variant the compiled step is to be
    peak     the share of the machine's multiply-add peak that it is to reach; 0 where overhead rules
    first    seconds that the first compiled step may take while nothing is cached
    images   the data are images: PyTorch runs channels last, too
    draws    it draws random numbers (dropout), so that losses can be compared only with that turned off
    ours     which of `sides` is Cutaway's
    batch    images a step, where a rate says more than a time
    """

    file: str
    summary: str
    target: float
    peak: float = 0.0
    first: float = 2.0
    images: bool = False
    draws: bool = False
    ours: str = "cutaway"
    batch: int = 0

    @property
    def path(self) -> Path:
        """Where the file is."""
        return Path(__file__).parent / f"{self.file}.py"


WORKLOADS = {
    "W1": Workload("w1_two_layer_net", "the book's two-layer net 784-50-10, sigmoid, batch 100, SGD", 4.0),
    "W2": Workload("w2_mlp", "MLP 784-512-512-10, ReLU, batch 128, Adam", 2.5, 0.6, 0.5),
    "W3": Workload("w3_simple_convnet", "the book's SimpleConvNet, batch 100, Adam", 5.0, images=True),
    "W4": Workload("w4_deep_convnet", "the book's DeepConvNet, batch 100, Adam", 1.7, 0.6, images=True, draws=True),
    "W5": Workload("w5_resnet20", "ResNet-20 on 3x32x32, batch 64, SGD with momentum", 1.5, 0.6, images=True),
    "W6": Workload("w6_gpt", "GPT, 4 layers, 4 heads, width 128, context 64, batch 12, AdamW", 2.0),
    "W7": Workload("w7_char_lstm", "character LSTM, embedding 64, hidden 128, 64 steps, batch 32, Adam", 1.5),
    "W8": Workload("w8_dqn_mlp", "DQN's MLP 4-64-64-2, batch 64, Adam", 20.0),
}
TRAINING = {
    "train": Workload(
        "train_mnist_deep", "the trainer of `cutaway train` (mnist-deep), beside the same loop on PyTorch", 1.5,
        images=True, draws=True, ours="trainer", batch=100,
    )
}  # fmt: skip

WARM_FIRST = 0.3  # seconds that a first step may take once its code is cached
MEMORY = 0.6  # share of PyTorch's resident memory that a step may need
PEER = 1.25  # how many times faster than every other peer
MEAN = 3.0  # the geometric mean of all eight ratios to PyTorch
