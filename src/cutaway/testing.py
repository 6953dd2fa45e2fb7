"""`cutaway.testing.assert_close`: PyTorch's name for the check that tests are made of."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from cutaway.core.creation import as_tensor
from cutaway.core.errors import ArgumentError
from cutaway.core.tensor import Tensor

__all__ = ["assert_allclose", "assert_close"]

TOLERANCES = {"float16": (1e-3, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}  # PyTorch's, (rtol, atol)
EARLIER = {"float16": (1e-3, 1e-3), "float32": (1e-4, 1e-5), "float64": (1e-5, 1e-8)}


def assert_close(
    actual: Any, expected: Any, *, rtol: float | None = None, atol: float | None = None, equal_nan: bool = False,
    check_device: bool = True, check_dtype: bool = True, check_layout: bool = True, check_stride: bool = False,
    msg: Any = None,
) -> None:  # fmt: skip
    """Nothing if all elements are close: |actual - expected| <= atol + rtol |expected|; sequences and dicts part by part.

    Raises AssertionError for other values, shapes or dtypes, TypeError for what cannot be compared, ArgumentError for one
    tolerance without the other.
    """
    if (rtol is None) != (atol is None):
        raise ArgumentError(f"assert_close: give rtol and atol both or none, got rtol={rtol}, atol={atol}")
    options: dict[str, Any] = {"rtol": rtol, "atol": atol, "equal_nan": equal_nan, "check_dtype": check_dtype, "msg": msg}
    if isinstance(actual, dict) and isinstance(expected, dict):
        _check(actual.keys() == expected.keys(), f"the keys differ: {[*actual]} and {[*expected]}", msg)
        for key in actual:
            assert_close(actual[key], expected[key], **options)
        return
    if isinstance(actual, (list, tuple)) and isinstance(expected, (list, tuple)):
        _check(len(actual) == len(expected), f"the lengths differ: {len(actual)} and {len(expected)}", msg)
        for a, b in zip(actual, expected, strict=True):
            assert_close(a, b, **options)
        return
    a, b = as_tensor(actual), as_tensor(expected)
    numbers = not isinstance(actual, Tensor) and not isinstance(expected, Tensor)
    _check(a.shape == b.shape, f"the shapes differ: {list(a.shape)} and {list(b.shape)}", msg)
    _check(not check_dtype or numbers or a.dtype == b.dtype, f"the dtypes differ: {a.dtype} and {b.dtype}", msg)
    coarse = [TOLERANCES.get(x.dtype.name, (0.0, 0.0)) for x in (a, b)]
    r = max(c[0] for c in coarse) if rtol is None else rtol
    t = max(c[1] for c in coarse) if atol is None else atol
    left, right = (np.asarray(x.detach().numpy(), np.float64) for x in (a, b))
    far = ~np.isclose(left, right, r, t, equal_nan)
    if far.any():
        worst = float(np.nanmax(np.abs(left - right)[far])) if not np.isnan(left - right)[far].all() else float("nan")
        _check(False, f"{int(far.sum())} of {far.size} elements differ by up to {worst} (rtol={r}, atol={t})", msg)


def assert_allclose(
    actual: Any, expected: Any, rtol: float | None = None, atol: float | None = None, equal_nan: bool = True, msg: str = ""
) -> None:
    """`assert_close` as it was called before: `expected` may be an array or a list, dtypes may differ, NaN equals NaN.

    Warns that it goes (FutureWarning).  The tolerances, if none is given, are the wider ones of EARLIER.  Raises as
    `assert_close`.
    """
    warnings.warn("assert_allclose is the earlier name; use assert_close", FutureWarning, stacklevel=2)
    a = actual if isinstance(actual, Tensor) else as_tensor(actual)
    b = expected if isinstance(expected, Tensor) else as_tensor(expected, dtype=a.dtype)
    if rtol is None and atol is None:
        coarse = [EARLIER.get(x.dtype.name, (0.0, 0.0)) for x in (a, b)]
        rtol, atol = (max(c[n] for c in coarse) for n in (0, 1))
    assert_close(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False, msg=msg or None)


def _check(holds: bool, text: str, msg: Any) -> None:
    if not holds:
        raise AssertionError(msg(text) if callable(msg) else msg or f"assert_close: {text}")
