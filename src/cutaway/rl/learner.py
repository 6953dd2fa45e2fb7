"""What agents have in common: environments, random numbers, the record of what happened, all of that in a checkpoint.

An agent (a file of `agents/`) adds its networks, `build()` with its compiled functions, `advance()`, which plays and learns
a little, `greedy(obs)`, and `look(played)`, the arithmetic of an episode for the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

import cutaway
from cutaway import nn
from cutaway.core.accelerate import at_once
from cutaway.core.errors import TraceError
from cutaway.core.tensor import Tensor
from cutaway.engine.threads import get_num_threads, set_num_threads
from cutaway.optim import Optimizer
from cutaway.rl.environment import Envs, Episode, seeds
from cutaway.rl.settings import Settings

PLAY, ACT, JUDGE = 1, 2, 3
"""Purposes of random numbers: the environments to learn in, the agent's own, the environments to be judged in."""


@dataclass(frozen=True)
class Played:
    """One episode, to be looked at: obs[T + 1, d], action[T] or [T, a], reward[T], and how it ended.

    `frames` has T + 1 pictures [H, W, 3] of an environment that draws itself, if that was asked for; `blind` says why there
    are none where it failed.
    """

    obs: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    terminated: bool
    frames: tuple[np.ndarray, ...] = ()
    blind: str = ""


class Learner:
    """An agent in its environments.

    `step` counts environment steps, `losses` has the loss of every update, `episodes` those that are over, `evaluated` is
    the step of the last evaluation (-1: none yet), `told` the number of updates before it, `seconds` the time spent so far.
    """

    model: nn.ModuleDict
    optimizers: dict[str, Optimizer]

    # What a page shows of `look`: (result, its formula, the same with the names of arrays in braces); arrays [T, A] that are
    # bars; the array [T] that is drawn over time.
    formulas: Sequence[tuple[str, str, str]] = ()
    bars: Mapping[str, str] = {}
    line: tuple[str, str]

    say: Callable[[str], None] = staticmethod(lambda text: None)
    """What is told of a run that could not go as it was meant to."""

    def __init__(self, s: Settings) -> None:
        self.settings = s
        self.envs = Envs(s.env, seeds(s.seed, PLAY, s.envs))
        self.spaces = self.envs.spaces
        self.rng = np.random.default_rng([s.seed, ACT])
        self.losses: list[float] = []
        self.evaluated, self.told, self.seconds = -1, 0, 0.0
        self.optimizers = {}
        cutaway.manual_seed(s.seed)

    # --- what an agent defines ----------------------------------------------------------------------------------------

    def build(self) -> None:
        """Make the functions that `compiled` makes.  Called again where a checkpoint was loaded."""
        raise NotImplementedError

    def advance(self) -> None:
        """Play a little, learn from it."""
        raise NotImplementedError

    def greedy(self, obs: np.ndarray) -> np.ndarray:
        """The actions [N] or [N, a] that seem best for obs[N, d]."""
        raise NotImplementedError

    def look(self, played: Played) -> dict[str, Any]:
        """The arithmetic of an episode: arrays [T, ...] by name."""
        raise NotImplementedError

    # --- what it may use ------------------------------------------------------------------------------------------------

    @property
    def step(self) -> int:
        """Environment steps so far."""
        return self.envs.steps

    @property
    def episodes(self) -> list[Episode]:
        """Those that are over."""
        return self.envs.finished

    @property
    def finished(self) -> bool:
        """True after the last step."""
        return self.step >= self.settings.steps

    @property
    def share(self) -> float:
        """How much of the run is over, from 0 to 1."""
        return min(self.step / self.settings.steps, 1.0)

    @property
    def lr(self) -> float:
        """The learning rate at this point of the run: on a line from `lr` to `lr_end` times that."""
        s = self.settings
        return s.lr * (1 + (s.lr_end - 1) * self.share)

    def anneal(self) -> None:
        """Tell the optimisers the learning rate."""
        for optimizer in self.optimizers.values():
            optimizer.param_groups[0]["lr"] = self.lr

    def compiled(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """`f` as one native program, or as it is where the settings say so, or where it cannot be compiled."""
        return Attempt(f, self) if self.settings.compile else f

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Around the calls of `advance` and `greedy`: the threads that the settings say.

        Eager operations are native at once, so that they give the same digits in a run and in one that was resumed.
        """
        before = get_num_threads()
        set_num_threads(self.settings.threads)
        try:
            with nullcontext() if self.settings.compile else at_once():
                yield
        finally:
            set_num_threads(before)

    # --- checkpoint -----------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All that the next step depends on, less the model's own state."""
        names = {id(p): name for name, p in self.model.named_parameters()}
        optimizers = {}
        for key, optimizer in self.optimizers.items():
            held = optimizer.state_dict()
            paths = [names[id(p)] for p in optimizer.param_groups[0]["params"]]
            optimizers[key] = held | {"state": {paths[i]: memory for i, memory in held["state"].items()}}
        return {
            "step": self.step,
            "evaluated": self.evaluated,
            "told": self.told,
            "seconds": self.seconds,
            "losses": np.asarray(self.losses, np.float64),
            "episodes": np.array([[e.total, e.length, e.at] for e in self.episodes], np.float64).reshape(-1, 3),
            "optimizers": optimizers,
            "envs": self.envs.state(),
            "rng": self.rng.bit_generator.state,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave; the model's own is loaded before."""
        names = {id(p): name for name, p in self.model.named_parameters()}
        for key, optimizer in self.optimizers.items():
            held = dict(state["optimizers"][key])
            numbers = {names[id(p)]: i for i, p in enumerate(optimizer.param_groups[0]["params"])}
            held["state"] = {numbers[name]: memory for name, memory in held["state"].items()}
            optimizer.load_state_dict(held)
        self.envs.load_state(state["envs"])
        self.envs.finished[:] = [Episode(total, int(length), int(at)) for total, length, at in state["episodes"]]
        self.rng.bit_generator.state = state["rng"]
        self.losses = np.asarray(state["losses"]).tolist()
        self.evaluated, self.told, self.seconds = state["evaluated"], state["told"], state["seconds"]
        self.build()  # programs know the optimiser's memory as it was


class Attempt:
    """A function as a native program; if it cannot be one, that is said, and from then on it goes operation by operation."""

    def __init__(self, fn: Callable[..., Any], learner: Learner) -> None:
        self.fn, self._learner, self._compiled = fn, learner, True
        self._program: Callable[..., Any] | None = None

    def __call__(self, *args: Any) -> Any:
        """What the function gives."""
        if self._compiled:
            try:
                if self._program is None:
                    self._program = cutaway.compile(self.fn)
                return self._program(*args)
            except (ImportError, TraceError) as e:
                self._compiled, self._program = False, None
                self._learner.say(f"not compiled, operation by operation instead: {str(e).splitlines()[0]}")
                if not self._learner.losses:
                    for optimizer in self._learner.optimizers.values():
                        optimizer.state.clear()  # what the attempt began
        with at_once():  # so that a run and a resumed one compute the same
            return self.fn(*args)


def once(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that `compiled` made, operation by operation: for a call whose shapes will not come again."""
    return getattr(f, "fn", f)


def scaled(scale: float, rewards: str = "r") -> str:
    """The rewards of a formula, as they are or times `reward_scale`."""
    return rewards if scale == 1 else f"{scale:g} {rewards}"


def tensor(a: np.ndarray) -> Tensor:
    """The array as a Tensor of the same memory."""
    return Tensor._wrap(np.ascontiguousarray(a))
