"""What a gradient check found, as an object and as text."""

from __future__ import annotations

from dataclasses import dataclass

from cutaway.gradcheck.numerical import Index
from cutaway.gradcheck.sweep import Row

FIXES = {
    "bug": "correct the derivative at the element named: a backward, or a cut in the graph such as detach()",
    "kink": "check at a point at least 10 eps away from the kink, or leave that element out",
    "precision": "compute in float64 throughout (x.double()), or pass an eps on the plateau of the table",
    "randomness": "make func repeat itself: call manual_seed(0) first thing in it, or put the module into eval()",
}


@dataclass(frozen=True)
class Finding:
    """One pair of input and output whose gradient is wrong, shown at the element that tells most.

    verdict       bug, kink, precision or randomness;  why: the evidence in a sentence;  hint: a known slip, or ""
    input, index  which input, and which element of it (None where the whole was checked)
    output, at    which output, and which element of it (None for a random weighting of all)
    expected      the numerical derivative at eps;  got: what backward gives;  limit: where the numerical one settles
    failed, total elements of the Jacobian that differ, and all of them
    sweep         the steps looked at
    """

    verdict: str
    why: str
    input: int
    output: int
    index: Index | None
    at: Index | None
    expected: float
    got: float
    failed: int = 0
    total: int = 0
    limit: float | None = None
    hint: str = ""
    input_label: str = ""
    output_label: str = ""
    labels: tuple[str, str] = ("numerical", "analytical")
    sweep: tuple[Row, ...] = ()

    def __str__(self) -> str:
        weighted = ", all elements weighted at random" if self.at is None else _at(self.at)
        lines = [
            f"  verdict   {self.verdict}: {self.why}",
            f"  element   {self.input_label}{_at(self.index)} -> {self.output_label}{weighted}",
        ]
        if self.total:
            lines.append(f"  extent    {self.failed} of {self.total} elements of this gradient differ")
        width = max(map(len, self.labels))
        lines.append(f"  expected  {self.labels[0]:<{width}}  {self.expected:.10g}")
        lines.append(f"  got       {self.labels[1]:<{width}}  {self.got:.10g}")
        if self.hint:
            lines.append(f"  hint      {self.hint}")
        lines.append(f"  fix       {FIXES[self.verdict]}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Report:
    """The result of `check_gradients`: true if all is well.

    findings  what is wrong, the plainest first;  compared: how many numbers were;  eps: the step
    """

    op: str
    eps: float
    compared: int
    findings: tuple[Finding, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether numerical and analytical gradients agree."""
        return not self.findings

    @property
    def verdict(self) -> str:
        """The verdict on the first finding; "" if there is none."""
        return self.findings[0].verdict if self.findings else ""

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        if self.ok:
            return f"{self.op}: numerical and analytical gradients agree ({self.compared} compared, eps={self.eps:g})"
        first = self.findings[0]
        pair = f"output {first.output} with respect to input {first.input}"
        words = f"the gradient of {first.input_label}, is not what finite differences give"
        parts = [f"{self.op}: Jacobian mismatch for {pair}: {words}", str(first)]
        if first.sweep:
            parts.append(table(first.sweep, self.eps))
        for finding in self.findings[1:3]:
            parts += ["and", str(finding)]
        if len(self.findings) > 3:
            parts.append(f"and for {len(self.findings) - 3} more pairs of input and output")
        return "\n".join(parts)


def table(rows: tuple[Row, ...], eps: float) -> str:
    """The sweep, a line per decade, with the line nearest to eps marked."""
    marked = min(rows, key=lambda r: abs(r.h / eps - 1) if r.h >= eps else abs(eps / r.h - 1))
    shown = [r for k, r in enumerate(rows) if k % 2 == 0 or r is marked]
    lines = [f"  {'h':>8}  {'central':>15}  {'from the right':>15}  {'from the left':>15}  {'rounding':>9}"]
    for r in shown:
        mark = "  <- eps" if r is marked else ""
        lines.append(f"  {r.h:8.1e}  {r.central:15.8g}  {r.right:15.8g}  {r.left:15.8g}  {r.rounding:9.1e}{mark}")
    return "\n".join(lines)


def _at(index: Index | None) -> str:
    return "" if not index else f", at [{', '.join(map(str, index))}]"
