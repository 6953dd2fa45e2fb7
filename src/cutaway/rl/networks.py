"""Networks of agents: two hidden layers, and what stands at their end."""

from __future__ import annotations

import math
from typing import Any

from cutaway import nn


def mlp(inputs: int, hidden: int, outputs: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """x[N, inputs] -> [N, outputs], over two hidden layers, with the layers' own initial weights."""
    return nn.Sequential(
        nn.Linear(inputs, hidden), activation(), nn.Linear(hidden, hidden), activation(), nn.Linear(hidden, outputs)
    )


def orthogonal(inputs: int, hidden: int, outputs: int, last: float) -> nn.Sequential:
    """As `mlp`, with tanh and orthogonal weights of gain sqrt 2, `last` for the last layer; biases are 0.

    A small `last` makes the first policy an even one (Andrychowicz et al. 2021, "What matters in on-policy RL").
    """
    network = mlp(inputs, hidden, outputs, nn.Tanh)
    for layer in network:
        if isinstance(layer, nn.Linear):
            nn.init.orthogonal_(layer.weight, last if layer is network[-1] else math.sqrt(2))
            nn.init.zeros_(layer.bias)
    return network


class Dueling(nn.Module):
    """Q = V + A - mean A, out of one body (Wang et al. 2016, equation 9).  x[N, inputs] -> q[N, actions]."""

    def __init__(self, inputs: int, hidden: int, actions: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.value, self.advantage = nn.Linear(hidden, 1), nn.Linear(hidden, actions)

    def forward(self, x: Any) -> Any:
        """q[N, actions]."""
        h = self.body(x)
        a = self.advantage(h)
        return self.value(h) + a - a.mean(1, keepdim=True)
