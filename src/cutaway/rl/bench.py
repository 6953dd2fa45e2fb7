"""`cutaway rl bench`: the same agent from several seeds, one after the other, and what came of them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from cutaway.core.errors import ArgumentError
from cutaway.core.replace import replacing
from cutaway.rl import evaluate, roster
from cutaway.rl.live import number
from cutaway.rl.settings import read
from cutaway.train.settings import at_least
from cutaway.train.stop import Stop


def start(name: str, words: list[str], seeds: int, first: int, target: Path | None, console: Console) -> int:
    """Train with `seeds` seeds from `first` on, print a line each and the sum of it.  Gives the exit code.

    Raises ArgumentError for an option that cannot be.
    """
    at_least("--seeds", seeds, 1)
    at_least("--first", first, 0)
    if target is not None and not target.absolute().parent.is_dir():
        raise ArgumentError(f"--json {target}: there is no folder {target.absolute().parent}; make it, or choose another")
    program = roster.find(name)
    given = read(program.config, words)
    if "seed" in given:
        raise ArgumentError("rl bench: give --seeds, how many, and --first, the first one, in place of --seed")
    s = program.config.of(**given)
    enough = evaluate.solved(s.env)
    console.print(f"{program.name} in {s.env}, {s.steps:,} steps, judged by {s.final_episodes} greedy episodes")
    console.print("seed   mean return   its spread   worst     updates   seconds   CPU seconds", style="dim")
    rows: list[dict[str, Any]] = []
    with Stop() as stop:
        for seed in range(first, first + seeds):
            row = once(program, {**given, "seed": seed}, lambda: stop.asked)
            if row is None:
                break
            rows.append(row)
            console.print(
                f"{seed:4}   {number(row['return']):>11}   {number(row['spread']):>10}   {row['worst']:5.0f}   "
                f"{row['updates']:9,}   {row['seconds']:7.1f}   {row['cpu_seconds']:11.1f}"
            )
    if rows:
        found = np.array([row["return"] for row in rows])
        text = f"mean {number(found.mean())}, spread {number(found.std())}, median {number(np.median(found))}"
        if enough is not None:
            text += f", solved (at least {enough:g}) by {int((found >= enough).sum())} of {len(found)}"
        print(text, flush=True)
        if target is not None:
            with replacing(target, "--json") as f:
                f.write((json.dumps({"agent": program.name, "env": s.env, "seeds": rows}, indent=1) + "\n").encode())
    return stop.exit_code if stop.asked else 0


def once(program: roster.Program, given: dict[str, Any], stop: Any) -> dict[str, Any] | None:
    """One whole training and the judgement; None if `stop()` became true.

    `seconds` and `cpu_seconds` are those of the training, first calls with their compilation included; the second does not
    depend on what else the machine does.
    """
    agent = program.agent(program.config.of(**given))
    begin, cpu = time.perf_counter(), time.process_time()
    with agent.computing():
        while not agent.finished:
            agent.advance()
            if stop():
                return None
        seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
        found = evaluate.returns(agent, agent.settings.final_episodes, stop)
    if stop():
        return None
    return {
        "seed": agent.settings.seed,
        "return": float(found.mean()),
        "spread": float(found.std()),
        "worst": float(found.min()),
        "steps": agent.step,
        "updates": len(agent.losses),
        "seconds": seconds,
        "cpu_seconds": cpu,
    }
