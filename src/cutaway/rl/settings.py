"""The settings of an agent: a dataclass, a docstring a field. The options of `cutaway rl train AGENT` are read off it."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
import types
from dataclasses import dataclass
from typing import Any, ClassVar, get_args, get_type_hints

from cutaway.core.errors import ArgumentError
from cutaway.train.settings import at_least, unknown


@dataclass(frozen=True)
class Settings:
    """What all agents share.  An agent's `Config` inherits from this, adds its own and changes the defaults."""

    env: str = "CartPole-v1"
    """The environment: a name that gymnasium knows, or grid-4x4, grid-5x5, cliff. `module:Name-v0` imports the module that
    registers it; in brackets stand the environment's arguments: `FrozenLake-v1(is_slippery=False)`. Where it has no time
    limit, episodes end after 1,000 steps; `(max_episode_steps=...)` sets another."""

    seed: int = 0
    """Of weights, exploration, batches and environments: the same seed gives the same curve."""

    steps: int = 50_000
    """Environment steps to learn from."""

    envs: int = 1
    """Copies of the environment that are played side by side."""

    gamma: float = 0.99
    """Discount: what a reward one step later is worth."""

    lr: float = 0.001
    """Learning rate at the beginning."""

    lr_end: float = 1.0
    """Share of the learning rate that is left at the end; in between it falls on a line."""

    hidden: int = 64
    """Units in each of the two hidden layers."""

    eval_every: int = 5_000
    """Environment steps between evaluations."""

    eval_episodes: int = 20
    """Greedy episodes in an evaluation; the last one has `final_episodes`."""

    final_episodes: int = 100
    """Greedy episodes by which the finished agent is judged."""

    compile: bool = True
    """Each update as one native program made by `cutaway.compile`; else operation by operation."""

    threads: int = 1
    """Threads of the native programs: an update is so small that a second one costs more than it gives."""

    tuned: ClassVar[dict[str, dict[str, Any]]] = {}
    """For some environments, other defaults; found by experiment (docs/reinforcement-learning.md)."""

    def __post_init__(self) -> None:
        for name in ("steps", "envs", "hidden", "threads", "eval_every", "eval_episodes", "final_episodes"):
            at_least(option(name), getattr(self, name), 1)
        at_least("--seed", self.seed, 0)
        for name in ("gamma", "lr_end"):
            self.share(name)
        if not self.lr > 0:
            raise ArgumentError(f"--lr must be a number above 0, got {self.lr:g}; 0.001 suits Adam")

    def share(self, name: str) -> None:
        """Raise ArgumentError unless this field is between 0 and 1."""
        value = getattr(self, name)
        if not 0 <= value <= 1:
            raise ArgumentError(f"{option(name)} must be from 0 to 1, got {value:g}")

    @classmethod
    def of(cls, **given: Any) -> Any:
        """The settings with this environment's defaults, and what is `given` before all.

        Raises ArgumentError for a field that there is not, or a value that cannot be.
        """
        names = [f.name for f in dataclasses.fields(cls)]
        for name in given:
            if name not in names:
                raise unknown("option", name, names)
        env = given.get("env", cls.env).partition("(")[0]
        return cls(**{**cls.tuned.get(env, {}), **given})


def option(name: str) -> str:
    """`--eval-every` for eval_every."""
    return f"--{name.replace('_', '-')}"


@dataclass(frozen=True)
class Option:
    """A field as an option of the command line."""

    name: str
    kind: type
    default: Any
    text: str


def options(config: type[Settings]) -> list[Option]:
    """The fields of a class of settings, its parents' first, with their docstrings."""
    hints, told = get_type_hints(config), _docstrings(config)
    return [Option(f.name, _kind(hints[f.name]), f.default, told.get(f.name, "")) for f in dataclasses.fields(config)]


def described(config: type[Settings]) -> str:
    """The options as text: name, default, what they are."""
    rows = [(option(o.name), str(o.default), o.text.replace("`", "")) for o in options(config)]
    wide, middle = (max(len(row[i]) for row in rows) for i in (0, 1))
    indent = " " * (wide + middle + 6)
    lines = [f"  {a:<{wide}}  {b:<{middle}}  " + f"\n{indent}".join(textwrap.wrap(c, 76)) for a, b, c in rows]
    for env, other in config.tuned.items():
        lines.append(f"  in {env}: " + " ".join(_word(k, v) for k, v in other.items()))
    return "\n".join(lines)


def _word(name: str, value: Any) -> str:
    """A field as it is given on the command line."""
    if isinstance(value, bool):
        return option(name) if value else f"--no-{option(name)[2:]}"
    return f"{option(name)} {value}"


def read(config: type[Settings], words: list[str]) -> dict[str, Any]:
    """Options as words (`--lr 0.01 --double`, `--no-double`, `--lr=0.01`) to values by field.

    Raises ArgumentError for a word that is no option, or a value that is not of the field's type.
    """
    known = {option(o.name): o for o in options(config)}
    given: dict[str, Any] = {}
    rest = list(words)
    while rest:
        word, _, value = rest.pop(0).partition("=")
        bare = "--" + word.removeprefix("--no-")
        if word.startswith("--no-") and word not in known and bare in known and known[bare].kind is bool:
            given[known[bare].name] = False
            continue
        if not word.startswith("-"):
            raise ArgumentError(f"{word}: what stands here must be an option, --name value; an environment is --env {word}")
        if word not in known:
            raise unknown("option", word, known)
        o = known[word]
        if o.kind is bool and not value:
            given[o.name] = True
            continue
        if not value:
            if not rest:
                raise ArgumentError(f"{word} needs a value, such as {word} {o.default}")
            value = rest.pop(0)
        given[o.name] = _parsed(word, o, value)
    return given


def _parsed(word: str, o: Option, text: str) -> Any:
    if o.kind is bool:
        if text.lower() not in ("true", "false"):
            raise ArgumentError(f"{word} is true or false, got {text!r}")
        return text.lower() == "true"
    try:
        return o.kind(text.replace("_", "")) if o.kind in (int, float) else text
    except ValueError:
        what = "a whole number" if o.kind is int else "a number"
        raise ArgumentError(f"{word} must be {what}, got {text!r}") from None


def _kind(hint: Any) -> type:
    if isinstance(hint, types.UnionType):
        hint = next(a for a in get_args(hint) if a is not type(None))
    return hint


def _docstrings(config: type) -> dict[str, str]:
    """Field to the string that follows it in the source."""
    found: dict[str, str] = {}
    for cls in reversed(config.__mro__):
        if not dataclasses.is_dataclass(cls):
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
        assert isinstance(tree, ast.ClassDef)
        for field, text in zip(tree.body, tree.body[1:]):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                assert isinstance(field.target, ast.Name)
                found[field.target.id] = " ".join(str(text.value.value).split())
    return found
