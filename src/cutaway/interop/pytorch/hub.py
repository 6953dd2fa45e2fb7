"""`torch.hub` without the network: what lies on this machine is loaded, and nothing is fetched."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlparse

import cutaway
from cutaway.core.errors import ArgumentError, StateError

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir"]

COPY = "get a copy of it and give load its folder, with source='local'"
_folder: str | None = None  # that set_dir gave


def get_dir() -> str:
    """The folder of what was fetched: set_dir's, or hub in $TORCH_HOME, or in torch of $XDG_CACHE_HOME (~/.cache)."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return _folder or os.path.join(os.path.expanduser(os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """From now on `get_dir` is this folder."""
    global _folder
    _folder = os.path.expanduser(d)


def load(repo_or_dir: Any, model: str, *args: Any, source: str = "github", **options: Any) -> Any:
    """What the function `model` of hubconf.py returns, in a folder (`source="local"`); further arguments are its own.

    Raises ArgumentError for a repository of GitHub, StateError where hubconf.py has no such function or needs a module that
    is not here.
    """
    for own in ("trust_repo", "force_reload", "verbose", "skip_validation"):  # of no meaning in a folder
        options.pop(own, None)
    return _entry(_hubconf(repo_or_dir, source), model)(*args, **options)


def list(github: Any, force_reload: bool = False, skip_validation: bool = False, *rest: Any, **options: Any) -> Any:
    """What a repository of GitHub has.  Raises ArgumentError: nothing is fetched."""
    raise _not_fetched("list", github)


def help(github: Any, model: str, force_reload: bool = False, *rest: Any, **options: Any) -> Any:
    """How a repository of GitHub describes `model`.  Raises ArgumentError: nothing is fetched."""
    raise _not_fetched("help", github)


def load_state_dict_from_url(
    url: str,
    model_dir: str | os.PathLike[str] | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = False,
) -> Any:
    """The file that the address ends in, if it lies in `model_dir` (checkpoints in `get_dir()`) already.

    Raises ArgumentError if it does not.
    """
    folder = os.path.join(get_dir(), "checkpoints") if model_dir is None else os.fspath(model_dir)
    path = os.path.join(folder, file_name or os.path.basename(urlparse(url).path))
    if not os.path.exists(path):
        raise _not_fetched("load_state_dict_from_url", url, f"put the file at {path}")
    return cutaway.load(path, map_location=map_location, weights_only=weights_only)


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Raises ArgumentError: nothing is fetched."""
    raise _not_fetched("download_url_to_file", url, f"put the file at {dst}")


def _hubconf(folder: Any, source: str) -> ModuleType:
    """The module hubconf.py in a folder; what it imports from there is found."""
    if source not in ("github", "local"):
        raise ArgumentError(f"load: source must be 'github' or 'local', got {source!r}")
    if source == "github":
        raise _not_fetched("load", folder)
    path = Path(os.path.expanduser(folder)) / "hubconf.py"
    spec = spec_from_file_location("hubconf.py", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    missing = [needed for needed in getattr(module, "dependencies", ()) if find_spec(needed) is None]
    if missing:
        raise StateError(f"load: {path} needs {', '.join(missing)}; install what is missing")
    return module


def _entry(module: ModuleType, model: str) -> Any:
    entry = getattr(module, model, None)
    if not callable(entry):
        known = [n for n, f in vars(module).items() if callable(f) and n[:1] != "_"]
        raise StateError(f"load: there is no function {model!r} in {module.__file__}; it has {', '.join(known)}")
    return entry


def _not_fetched(name: str, what: Any, instead: str = COPY) -> ArgumentError:
    return ArgumentError(f"{name}: {what} is not fetched here; {instead}")
