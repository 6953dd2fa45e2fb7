"""An environment by its name: gymnasium's, one that a module of the user's registers, or a grid world of our own."""

from __future__ import annotations

import ast
import difflib
import os
import sys
import warnings
from typing import Any

from cutaway.core.errors import ArgumentError
from cutaway.rl import grids

LIMIT = 1000
"""Steps after which an episode is cut off in an environment that sets no limit itself: a policy may walk in circles."""


def make(name: str, pictures: bool = False) -> Any:
    """A new environment; with `pictures` one whose `render()` gives them.

    The name is gymnasium's, `module:Name-v0` for what importing that module registers, with the environment's arguments in
    brackets if there are any: `FrozenLake-v1(is_slippery=False)`.

    Raises ArgumentError for a name that neither gymnasium nor we know, for arguments that the environment does not take, or
    if a package is missing that it needs.
    """
    if name in grids.NAMES:
        return grids.GridEnv(grids.NAMES[name])
    try:
        import gymnasium
    except ImportError:
        raise ArgumentError(
            f"--env {name} is gymnasium's: pip install 'cutaway[rl]'. Without it there are {', '.join(grids.NAMES)}"
        ) from None
    plain, arguments = parsed(name)
    module = plain.rpartition(":")[0]
    if module and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as `python -m` has it: the module may lie where the command is given
    if pictures:
        arguments["render_mode"] = "rgb_array"
    try:
        with warnings.catch_warnings():  # of packages when they are imported; where these are errors Box2D crashes
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.filterwarnings("ignore", ".*render_mode")  # said below
            env = gymnasium.make(plain, disable_env_checker=True, **arguments)
    except gymnasium.error.DependencyNotInstalled as e:
        raise ArgumentError(f"--env {name} needs a package that is not installed: {_install(e)}") from None
    except gymnasium.error.Error:
        raise _unknown(plain, gymnasium.registry) from None
    except ModuleNotFoundError as e:
        missing = getattr(e.__cause__ or e, "name", None)  # gymnasium raises another one from it
        if missing and f"{module}.".startswith(f"{missing}."):
            raise ArgumentError(
                f"--env {name}: there is no module {module}; install it, or be in the folder where it lies"
            ) from None
        raise ArgumentError(f"--env {name} needs a package that is not installed: {missing or e}") from None
    except TypeError as e:
        if pictures and "render_mode" in str(e).partition(" was raised")[0]:
            raise ArgumentError("its class takes no render_mode") from None
        if arguments and "argument" in str(e):
            raise ArgumentError(f"--env {name}: the environment does not take what is in the brackets: {e}") from None
        raise
    if env.spec is None or env.spec.max_episode_steps is None:
        env = gymnasium.wrappers.TimeLimit(env, LIMIT)
    return env


def parsed(name: str) -> tuple[str, dict[str, Any]]:
    """An environment's name without its brackets, and the arguments in them.  Raises ArgumentError for what are none."""
    plain, bracket, rest = name.partition("(")
    if not bracket:
        return name, {}
    try:
        call = ast.parse(f"f({rest}", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            raise ValueError
        return plain.strip(), {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except (SyntaxError, ValueError):
        raise ArgumentError(
            f"--env {name}: in brackets stand arguments of the environment, as in 'FrozenLake-v1(is_slippery=False)'"
        ) from None


def _install(e: Exception) -> str:
    """What gymnasium says; for its Box2D, our own name of it."""
    return "pip install 'cutaway[box2d]'" if "box2d" in str(e).lower() else str(e)


def _unknown(name: str, registry: Any) -> ArgumentError:
    names = {n.lower(): n for n in (*grids.NAMES, *registry)}
    near = [names[n] for n in difflib.get_close_matches(name.lower(), names, 3)]
    hint = f"; did you mean {' or '.join(near)}?" if near else "."
    return ArgumentError(
        f"--env: there is no {name!r}{hint} There are {', '.join(grids.NAMES)}, gymnasium's, such as CartPole-v1, and what "
        "a module of yours registers: module:Name-v0"
    )
