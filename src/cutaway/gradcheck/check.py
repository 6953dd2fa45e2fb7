"""gradcheck and gradgradcheck, with PyTorch's names and arguments, and the report behind them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cutaway.core import autograd
from cutaway.core.errors import ArgumentError, ArgumentTypeError, GradcheckError
from cutaway.core.refusal import guarded
from cutaway.core.tensor import Tensor
from cutaway.gradcheck.common import Settings
from cutaway.gradcheck.directions import projected
from cutaway.gradcheck.jacobian import full
from cutaway.gradcheck.numerical import name_of
from cutaway.gradcheck.parts import parts_of, real_parts
from cutaway.gradcheck.probe import Probe
from cutaway.gradcheck.repeat import unrepeatable, unrepeatable_backward
from cutaway.gradcheck.report import Finding, Report

ORDER = ("randomness", "bug", "kink", "precision")  # the plainest first


@guarded
def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    r"""True if backprop through `func` agrees with finite differences (book, section 5.7.4).

    For every output y and every input x that requires grad, the whole Jacobian is compared (complex ones as their parts):
    $\left|J_{ji} - \frac{y_j(x + \epsilon e_i) - y_j(x - \epsilon e_i)}{2\epsilon}\right| \le atol + rtol\,|J_{ji}|$.
    With `fast_mode`, only the random projection $v^\top J u$.

    func                  takes the inputs, returns a Tensor or a tuple of Tensors; may use other tensors (parameters)
    inputs                a Tensor or a tuple; in float64, since differences of float32 are too coarse for eps=1e-6
    nondet_tol            by how much a second evaluation or backward pass may differ
    check_undefined_grad  whether the outputs whose gradient is not asked for pass None back, or zeros
    check_grad_dtypes, masked   accepted: backward always gives the input's dtype, and inputs are dense tensors

    On failure: GradcheckError with the element, both values, a verdict (bug, kink, precision, randomness), the sweep
    that shows it, and the known slip if it is one; with raise_exception=False: False.  `check_gradients` returns the
    report.

    Raises ArgumentError if no input requires grad or func changes an input in place, ShapeError for an input whose
    elements share memory, ArgumentTypeError if func returns no Tensors.
    """
    _refuse("gradcheck", check_forward_ad, check_backward_ad, check_batched_grad, check_batched_forward_grad)
    report = check_gradients(
        func, inputs, eps=eps, atol=atol, rtol=rtol, nondet_tol=nondet_tol, check_undefined_grad=check_undefined_grad,
        fast_mode=fast_mode,
    )  # fmt: skip
    return _conclude(report, raise_exception)


@guarded
def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    r"""True if backprop through the backward of `func` agrees with finite differences of that backward.

    It is `gradcheck` of $(x, v) \mapsto v^\top J(x)$, so it judges second derivatives, and takes the first as given:
    run `gradcheck`, too.

    grad_outputs                  the v, one for each output that requires grad; random by default
    gen_non_contig_grad_outputs   whether the random ones lie in memory with gaps

    The other arguments and the errors are those of `gradcheck`.
    """
    _refuse("gradgradcheck", check_fwd_over_rev, check_rev_over_rev, check_batched_grad, False)
    report = check_gradients(
        func, inputs, eps=eps, atol=atol, rtol=rtol, nondet_tol=nondet_tol, check_undefined_grad=check_undefined_grad,
        fast_mode=fast_mode, order=2, grad_outputs=grad_outputs, gaps=gen_non_contig_grad_outputs,
    )  # fmt: skip
    return _conclude(report, raise_exception)


@guarded
def check_gradients(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    fast_mode: bool = False,
    order: int = 1,
    grad_outputs: Any = None,
    gaps: bool = False,
) -> Report:
    """What `gradcheck` (order 1) or `gradgradcheck` (order 2) finds, as a Report: true if all is well, else print it.

    Arguments and errors are theirs.
    """
    op = {1: "gradcheck", 2: "gradgradcheck"}.get(order, "")
    if not op:
        raise ArgumentError(f"check_gradients: order must be 1 or 2, got {order!r}; beyond, let func be a gradient")
    if not 0 < eps < np.inf:
        raise ArgumentError(f"{op}: eps must be positive and finite, got {eps}")
    for name, value in (("atol", atol), ("rtol", rtol), ("nondet_tol", nondet_tol)):
        if not 0 <= value < np.inf:
            raise ArgumentError(f"{op}: {name} must be at least 0 and finite, got {value}")
    func, inputs = real_parts(func, inputs)
    if grad_outputs is not None:
        given = (grad_outputs,) if isinstance(grad_outputs, Tensor) else grad_outputs
        grad_outputs = [parts_of(v.detach()).requires_grad_(v.requires_grad) for v in given]
    probe = Probe(func, inputs, op)
    for k in probe.wanted:
        if probe.inputs[k]._data.dtype != np.float64:
            warnings.warn(
                f"{op}: {probe.input_name(k)} is {name_of(probe.inputs[k])}: its differences are too coarse for a step "
                f"of {eps:g}, so the check will likely fail; pass it as .double()",
                UserWarning,
                stacklevel=3,
            )
    if order == 2:
        probe = _of_gradient(probe, grad_outputs, gaps)
    settings = Settings(eps, atol, rtol, nondet_tol, check_undefined_grad)
    random = unrepeatable(probe, settings) or unrepeatable_backward(probe, settings)
    if random:
        return Report(op, eps, 0, (random,))
    if fast_mode:
        findings, compared = projected(probe, settings)
    else:
        findings, compared = full(probe, settings, probe.wanted, range(len(probe.outputs)))
    return Report(op, eps, compared, tuple(_sorted(findings)))


def _sorted(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda f: ORDER.index(f.verdict))


def _conclude(report: Report, raise_exception: bool) -> bool:
    if not report and raise_exception:
        error = GradcheckError(str(report))
        error.report = report
        raise error
    return report.ok


def _refuse(op: str, forward: bool, backward: bool, batched: bool, batched_forward: bool) -> None:
    if forward:
        raise ArgumentError(f"{op}: Cutaway differentiates in reverse only; leave the check of forward mode off")
    if batched or batched_forward:
        raise ArgumentError(f"{op}: Cutaway has no batched gradients (vmap); leave check_batched_grad=False")
    if not backward:
        raise ArgumentError(f"{op}: nothing is left to check with the check of reverse mode off; leave it on")


# --- second order -----------------------------------------------------------------------------------------------------


def _of_gradient(first: Probe, grad_outputs: Any, gaps: bool) -> Probe:
    """The probe of (inputs, grad_outputs) -> gradients of func."""
    if not first.connected:
        raise ArgumentError("gradgradcheck: no output of func depends on inputs that require grad; run gradcheck first")
    vs = _random_gradients(first.outputs, gaps) if grad_outputs is None else _as_gradients(grad_outputs, first.outputs)
    n = len(first.inputs)
    picked = first.picked

    def gradient(*arguments: Any) -> tuple[Tensor, ...]:
        xs = arguments[:n]
        out = first.func(*xs)
        ys = out if isinstance(out, (tuple, list)) else (out,)
        found = autograd.grad(
            [ys[k] for k in picked],
            [xs[k] for k in first.wanted],
            list(arguments[n:]),
            create_graph=True,
            allow_unused=True,
        )
        return tuple(g for g in found if g is not None)

    inputs = [first.input_name(k) for k in range(n)] + [f"grad_output {k}" for k in range(len(vs))]
    reached = autograd.grad(
        first.outputs, [first.inputs[k] for k in first.wanted], vs, retain_graph=True, allow_unused=True
    )
    outputs = [f"gradient of input {k}" for k, g in zip(first.wanted, reached, strict=True) if g is not None]
    return Probe(gradient, (*first.inputs, *vs), first.op, inputs, outputs)


def _random_gradients(outputs: Sequence[Tensor], gaps: bool) -> list[Tensor]:
    rng = np.random.default_rng(0)
    vs = []
    for y in outputs:
        v = rng.uniform(-1, 1, (*y.shape, 2)).astype(y._data.dtype)[..., 0]
        vs.append(Tensor._wrap(v if gaps else v.copy()))
        vs[-1]._view = gaps
    return [v.requires_grad_() for v in vs]


def _as_gradients(grad_outputs: Any, outputs: Sequence[Tensor]) -> list[Any]:
    vs = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    if len(vs) != len(outputs):
        raise ArgumentTypeError(f"gradgradcheck: {len(outputs)} outputs require grad, but got {len(vs)} grad_outputs")
    return vs
