"""Runs programs one after the other in one process: `python runner.py rows.json found.json`, or the same by `cutaway run`.

rows.json   [[program's name, its arguments, "float32" or "float64"], ...]
found.json  [[losses, nothing or a traceback, output, seconds of the processor], ...], written anew after each program
"""

import io
import json
import os
import runpy
import sys
import tempfile
import time
import traceback
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import torch

PROGRAMS = Path(__file__).resolve().parents[2] / "examples" / "pytorch"


def one(name, arguments, dtype, losses):
    path, said, trouble = str(PROGRAMS / f"{name}.py"), io.StringIO(), None
    sys.argv = [path, "--losses", losses, *arguments]
    torch.set_default_dtype(getattr(torch, dtype))
    began = time.process_time()
    try:
        with redirect_stdout(said), redirect_stderr(said), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            runpy.run_path(path, run_name="__main__")
    except BaseException:
        trouble = traceback.format_exc()
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)
    found = []
    if os.path.exists(losses):
        with open(losses) as f:
            found = json.load(f)
        os.remove(losses)
    return [found, trouble, said.getvalue()[-2000:], time.process_time() - began]


def main(rows, out):
    with open(rows) as f:
        todo = json.load(f)
    done = []
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments, dtype in todo:
            done.append(one(name, arguments, dtype, os.path.join(folder, "losses.json")))
            with open(out, "w") as f:
                json.dump(done, f)


if __name__ == "__main__":
    main(*sys.argv[1:])
