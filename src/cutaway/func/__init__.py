"""PyTorch's `torch.func`: derivatives of functions, as functions; a function over a dimension more."""

from cutaway.core.absent import absent
from cutaway.func.derivatives import (
    debug_unwrap,
    functionalize,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    vjp,
)
from cutaway.func.state import functional_call, replace_all_batch_norm_modules_, stack_module_state
from cutaway.func.vmap import vmap

__all__ = [
    "debug_unwrap", "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp",
    "linearize", "replace_all_batch_norm_modules_", "stack_module_state", "vjp", "vmap",
]  # fmt: skip


def __getattr__(name: str) -> object:
    raise absent("cutaway.func", name, __all__)
