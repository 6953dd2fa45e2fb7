"""PyTorch's `torch.func`: derivatives of functions, as functions; a function over a dimension more."""

from cutaway.core.absent import absent
from cutaway.func.derivatives import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp
from cutaway.func.state import functional_call, stack_module_state
from cutaway.func.vmap import vmap

__all__ = [
    "functional_call", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "stack_module_state",
    "vjp", "vmap",
]  # fmt: skip


def __getattr__(name: str) -> object:
    raise absent("cutaway.func", name, __all__)
