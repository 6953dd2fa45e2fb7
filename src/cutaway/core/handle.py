"""RemovableHandle: what registering a hook gives, of a tensor, a module or an optimiser."""

from __future__ import annotations

import itertools
from typing import Any


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
