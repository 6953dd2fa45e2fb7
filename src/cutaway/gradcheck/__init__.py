"""Numerical gradients, and the check of backprop by them: which element is wrong, and why."""

from __future__ import annotations

from cutaway.core.errors import GradcheckError
from cutaway.gradcheck.check import check_gradients, gradcheck, gradgradcheck
from cutaway.gradcheck.numerical import numerical_derivative, numerical_gradient
from cutaway.gradcheck.report import Finding, Report

__all__ = [
    "Finding", "GradcheckError", "Report", "check_gradients", "gradcheck", "gradgradcheck", "numerical_derivative",
    "numerical_gradient",
]  # fmt: skip
