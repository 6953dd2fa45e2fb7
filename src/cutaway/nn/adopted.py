"""A module's state as PyTorch pickles it, turned into the state of ours."""

from __future__ import annotations

from typing import Any

from cutaway.core.errors import FileFormatError
from cutaway.core.watched import Watched
from cutaway.nn.hooks import Hooks

TABLES = ("_parameters", "_buffers", "_modules")
STATE_HOOKS = (
    "_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
)  # fmt: skip

def adopted(cls: type, state: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a `cls` here that PyTorch's module with these attributes is.

    What the class computes (a property) is left out. Raises FileFormatError where the module has hooks of its state_dict.
    """
    if any(state.get(name) for name in STATE_HOOKS):
        raise FileFormatError(
            f"load: the {cls.__name__} in the file has hooks of its state_dict, which are not carried over; save it without"
        )
    gone = {*STATE_HOOKS, "_is_full_backward_hook", *Hooks.THERE}
    kept = {k: v for k, v in state.items() if k not in gone and not isinstance(getattr(cls, k, None), property)}
    kept |= {name: Watched(state.get(name) or {}) for name in TABLES}
    kept.setdefault("training", True)
    kept.setdefault("_non_persistent_buffers_set", set())  # older files have none
    kept["_hooks"] = _hooks(state)
    return kept


def _hooks(state: dict[str, Any]) -> Hooks | None:
    hooks = Hooks()
    for theirs, ours in Hooks.THERE.items():
        getattr(hooks, ours).update(state.get(theirs) or {})
    hooks.full = state.get("_is_full_backward_hook")
    return hooks if hooks.any() else None
