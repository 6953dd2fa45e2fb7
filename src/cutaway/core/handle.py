"""RemovableHandle: what registering a hook gives, of a tensor, a module or an optimiser; their hooks around state dicts."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, ClassVar


class RemovableHandle:
    """`remove()` takes the hook away, as does the end of its `with` block.

    A table of one's own: `h = RemovableHandle(hooks); hooks[h.id] = hook`.
    """

    _numbers = itertools.count()

    def __init__(self, hooks_dict: dict[int, Any], *, extra_dict: dict[int, Any] | None = None) -> None:
        self.id = next(self._numbers)
        self._tables = [hooks_dict] if extra_dict is None else [hooks_dict, extra_dict]

    @classmethod
    def of(cls, hooks: dict[int, Any], hook: Any, prepend: bool = False) -> RemovableHandle:
        """Put `hook` into the table, behind the others or before them."""
        handle = cls(hooks)
        hooks[handle.id] = hook
        if prepend:
            for key in [k for k in hooks if k != handle.id]:
                hooks[key] = hooks.pop(key)
        return handle

    def remove(self) -> None:
        """Take the hook away; doing so twice is harmless."""
        for table in self._tables:
            table.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


class StateHooks:
    """What a module or an optimiser calls around state_dict() and load_state_dict(), each kind in order of registration."""

    THERE: ClassVar = {  # what PyTorch calls a module's tables
        "_state_dict_pre_hooks": "saving", "_state_dict_hooks": "saved",
        "_load_state_dict_pre_hooks": "loading", "_load_state_dict_post_hooks": "loaded",
    }  # fmt: skip

    def __init__(self) -> None:
        self.saving: dict[int, Callable[..., Any]] = OrderedDict()
        self.saved: dict[int, Callable[..., Any]] = OrderedDict()
        self.loading: dict[int, Callable[..., Any]] = OrderedDict()
        self.loaded: dict[int, Callable[..., Any]] = OrderedDict()
