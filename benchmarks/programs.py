"""The programs of examples/pytorch under Cutaway and under PyTorch: how long a run and a step take, and how much faster.

    python benchmarks/programs.py [NAME ...] [--steps N] [--repeats N] [--threads N] [--compile] [--json FILE]

Each run is a process of its own, ours by `cutaway run`; the sides take turns. `run` is all of it, from the start of the
process to its end, after N steps (50). A step is what lies between two losses: for `step` the imports and the first ten do
not count. The first round fills the cache of compiled kernels and is told apart, as `first`. A ratio is the median of the
rounds' ratios; above 1, Cutaway is faster.
--compile adds a side that is run by `cutaway run --compile`, where there is such an option.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS, STAND_IN = ROOT / "examples" / "pytorch", ROOT / "tests" / "programs" / "stand_in"
FIRST = 10

_RUNS = """
actor_critic  autoencoder  char_cells  char_gru  char_lstm --dropout 0  dcgan  ddp  diffusion  dqn  gpt
image_zoo --arch resnet  image_zoo --arch vgg --dropout 0  image_zoo --arch mobilenet --dropout 0
image_zoo --arch densenet  mixed_precision  mnist --dropout 0 --test-size 100  ppo  regression  reinforce
seq2seq --dropout 0  siamese  sine_lbfgs  style_transfer  super_resolution  text_transformer --dropout 0  unet  vae
vit --drop-path 0  wgan_gp  word_embeddings
"""
RUNS = [run for run in _RUNS.replace("\n", "  ").split("  ") if run]


# --- in the process of a run ------------------------------------------------------------------------------------------


class Marks(ast.NodeTransformer):
    """Every `losses.append(x)` becomes `losses.append(mark(x))`."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        f = node.func
        if isinstance(f, ast.Attribute) and f.attr == "append" and len(node.args) == 1:
            name = f.value.id if isinstance(f.value, ast.Name) else getattr(f.value, "attr", "")
            if name == "losses":
                node.args = [ast.Call(ast.Name("__mark__", ast.Load()), node.args, [])]
        return node


def watched(path: str, arguments: list[str], out: str) -> None:
    """Run a program and write the moments of its losses."""
    moments: list[float] = []

    def mark(x: Any) -> Any:
        moments.append(perf_counter())
        return x

    tree = ast.fix_missing_locations(Marks().visit(ast.parse(Path(path).read_text(encoding="utf-8"))))
    main = ModuleType("__main__")
    main.__dict__.update(__mark__=mark, __file__=path)
    sys.modules["__main__"], sys.argv = main, [path, *arguments]
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    exec(compile(tree, path, "exec"), main.__dict__)
    Path(out).write_text(json.dumps(moments), encoding="utf-8")


# --- in the parent ----------------------------------------------------------------------------------------------------

SIDES = {
    "torch": [sys.executable],
    "cutaway": [sys.executable, "-m", "cutaway", "run"],
    "compiled": [sys.executable, "-m", "cutaway", "run", "--compile"],
}


def milliseconds(side: str, run: str, steps: int, threads: int, folder: str) -> tuple[float, float]:
    """One run: the time of all of it, and of a step."""
    name, *arguments = run.split()
    out = os.path.join(folder, "moments.json")
    path = [str(ROOT / "src"), *([str(STAND_IN)] if side == "torch" else [])]
    start = perf_counter()
    process = subprocess.run(
        [*SIDES[side], __file__, "--watch", out, str(PROGRAMS / f"{name}.py"), "--steps", str(steps), *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": str(threads)},
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    whole = 1000.0 * (perf_counter() - start)
    if process.returncode:
        raise SystemExit(f"{run} ended with {process.returncode} under {side}:\n{process.stderr[-2000:]}")
    moments = json.loads(Path(out).read_text(encoding="utf-8"))
    last = min(steps, len(moments)) - 1
    return whole, 1000.0 * (moments[last] - moments[FIRST - 1]) / (last - FIRST + 1)


def offers_compile() -> bool:
    """Whether `cutaway run` has the option."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TERM": "dumb"}
    said = subprocess.run([*SIDES["cutaway"], "--help"], env=env, capture_output=True, text=True)
    return "--compile" in said.stdout


def main() -> None:
    """Time, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="programs, without .py; all of them if none is given")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--json", help="write the numbers to this file, too")
    args = parser.parse_args()
    sides = ["torch", "cutaway"]
    if args.compile:
        if not offers_compile():
            raise SystemExit("cutaway run has no option --compile")
        sides.append("compiled")
    found: dict[str, dict[str, Any]] = {}
    ours = sides[1:]
    heads = [f"{what} {s}" for what in ("run", "step") for s in (*(f"{s} ms" for s in sides), *(f"{s} x" for s in ours))]
    print(f"{'':44}" + "".join(f"{head:>17}" for head in heads) + "".join(f"{'first ' + s + ' x':>17}" for s in ours))
    with tempfile.TemporaryDirectory() as folder:
        for run in RUNS:
            if args.names and run.split()[0] not in args.names:
                continue
            first, *rounds = (
                {side: milliseconds(side, run, args.steps, args.threads, folder) for side in sides}
                for _ in range(args.repeats + 1)
            )
            row, found[run] = "", {"first": first, "rounds": rounds}
            for n, what in enumerate(("run", "step")):
                times = {side: median([r[side][n] for r in rounds]) for side in sides}
                ratios = {side: median([r["torch"][n] / r[side][n] for r in rounds]) for side in ours}
                found[run][what] = {"ms": times, "times faster": ratios}
                row += "".join(f"{times[s]:17.3f}" for s in sides) + "".join(f"{ratios[s]:17.2f}" for s in ours)
            row += "".join(f"{first['torch'][0] / first[s][0]:17.2f}" for s in ours)
            print(f"{run:44}{row}", flush=True)
    if args.json:
        Path(args.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--watch"]:
        watched(sys.argv[3], sys.argv[4:], sys.argv[2])
    else:
        main()
