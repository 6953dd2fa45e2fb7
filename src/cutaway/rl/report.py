"""`report.html` of an agent: how it learned, how it acted meanwhile, and the settings; one file that asks no network."""

from __future__ import annotations

import dataclasses
from html import escape
from importlib import resources
from typing import Any

import numpy as np

from cutaway.rl import scenes
from cutaway.rl.evaluate import solved
from cutaway.rl.learner import Learner
from cutaway.rl.live import number
from cutaway.rl.roster import Program
from cutaway.train.clock import spoken
from cutaway.train.report import scale
from cutaway.train.report.chart import Line, legend, line_chart

STRIPS = 4
"""Evaluations of which an episode is shown."""

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
.strip { display: grid; grid-template-columns: repeat(auto-fill, minmax(118px, 1fr)); gap: 8px; margin: 4px 0 22px; }
.strip figure { margin: 0; } .scene { display: block; width: 100%; border: 1px solid var(--rule); border-radius: 6px; }
.strip figcaption { font-size: 12.5px; }
@media (max-width: 560px) { .strip { grid-template-columns: repeat(4, 1fr); gap: 5px; } }
"""


def render(program: Program, agent: Learner, metrics: list[dict[str, Any]]) -> str:
    """The whole page as text."""
    s, last = agent.settings, metrics[-1]
    title = f"{program.name} in {s.env}"
    style = resources.files("cutaway.train.report").joinpath("page.css").read_text(encoding="utf-8")
    sections = [_head(title, program, agent, metrics), _curves(agent, metrics), _film(s.env, metrics), _settings(agent)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<link rel="icon" href="data:,"><title>{escape(title)} · {number(last["return"])}</title>\n'
        f"<style>\n{style}{_STYLE}</style></head>\n<body><main>\n"
        + "\n".join(filter(None, sections))
        + "\n<footer>Written by <code>cutaway rl train</code>. Beside this file: <code>config.json</code>, "
        "<code>metrics.jsonl</code> (a line per evaluation), <code>recipe.py</code> (the agent), "
        "<code>model.safetensors</code> and <code>trainer.safetensors</code>. <code>cutaway rl watch</code> makes a page of "
        "whole episodes of it.</footer>\n</main></body></html>\n"
    )


def _head(title: str, program: Program, agent: Learner, metrics: list[dict[str, Any]]) -> str:
    last = metrics[-1]
    enough = solved(agent.settings.env)
    note = "" if enough is None else f" (solved from {enough:g} on)"
    figures = [
        ("main", number(last["return"]), f"mean return of {last['judged']} greedy episodes{note}"),
        ("", number(last["spread"]), "their spread"),
        ("", f"{last['step']:,}", "environment steps"),
        ("", f"{last['updates']:,}", "updates"),
        ("", spoken(last.get("seconds", 0.0)), "of training"),
    ]
    items = "".join(f'<li class="{kind}"><b>{number}</b>{text}</li>' for kind, number, text in figures)
    return f'<h1>{escape(title)}</h1><p class="soft">{escape(program.summary)}</p><ul class="figures">{items}</ul>'


def _curves(agent: Learner, metrics: list[dict[str, Any]]) -> str:
    steps = [float(m["step"]) for m in metrics]
    x = scale.linear(0.0, max(steps[-1], 1.0), 6)
    greedy = Line("test", "greedy episodes", steps, [m["return"] for m in metrics])
    lines = [greedy]
    if agent.episodes:
        at, mean = scale.smooth(np.array([e.total for e in agent.episodes]))
        ends = np.array([0, *(e.at for e in agent.episodes)], float)
        place = np.interp(at, np.arange(len(ends)), ends)
        lines.insert(0, Line("batch", "training episodes", place.tolist(), mean.tolist(), dots=False))
    seen = [v for line in lines for v in line.y]
    margin = 0.04 * (max(seen) - min(seen)) or 1.0
    low = 0.0 if 0 <= min(seen) < 0.5 * max(seen) else min(seen) - margin
    y = scale.linear(low, max(seen) + (0.0 if max(seen) == 0 else margin), 5)
    returns = line_chart("return against environment steps", lines, x, y, "environment steps", "sum of rewards")
    key = legend([("batch", "episodes it learned from, with exploration"), ("test", "greedy episodes")])
    return (
        "<h2>How it learned</h2><p>An agent is judged by what it earns when it no longer explores, in episodes that it does "
        f'not learn from.</p><div class="pair"><div class="card"><h3>Return</h3>{key}{returns}</div>{_loss(agent, x)}</div>'
    )


def _loss(agent: Learner, x: scale.Scale) -> str:
    losses = np.asarray(agent.losses)
    if not len(losses):
        return ""
    at, mean = scale.smooth(losses)
    first = _first_update(agent)
    place = (first + at / len(losses) * (agent.step - first)).tolist()
    positive = mean[mean > 0]
    if len(positive) == len(mean):
        y = scale.log(float(positive.min()), float(positive.max()))
    else:
        y = scale.linear(float(mean.min()), float(mean.max()), 5)
    chart = line_chart(
        "loss against environment steps", [Line("batch", "loss", place, mean.tolist(), dots=False)], x, y,
        "environment steps", "loss",
    )  # fmt: skip
    note = '<p class="note">Targets move with the network: a loss that does not fall is no sign that nothing is learned.</p>'
    return f'<div class="card"><h3>Loss</h3>{legend([("batch", "of the updates")])}{chart}{note}</div>'


def _first_update(agent: Learner) -> float:
    return float(min(getattr(agent.settings, "learning_starts", 0), agent.step))


def _film(name: str, metrics: list[dict[str, Any]]) -> str:
    paints = lambda seen: scenes.known(name) or isinstance(seen, str)
    shown = [m for m in metrics if m.get("film") and paints(m["film"][0][1])]
    if not shown:
        return ""
    chosen = [shown[i] for i in np.unique(np.linspace(0, len(shown) - 1, STRIPS).round().astype(int))]
    strips = "".join(f"<h3>After {m['step']:,} steps</h3><div class='strip'>{_strip(name, m)}</div>" for m in chosen)
    told = "A greedy episode from the same beginning, as the agent grew: moments from its start to its end."
    return f"<h2>How it acted</h2><p>{told}</p>{strips}"


def _strip(name: str, m: dict[str, Any]) -> str:
    return "".join(
        f"<figure>{_picture(name, seen, f'step {t}')}<figcaption>step {t}</figcaption></figure>" for t, seen in m["film"]
    )


def _picture(name: str, seen: Any, label: str) -> str:
    """Of an observation, or a picture as it is."""
    if isinstance(seen, str):
        return f'<img class="scene" src="{escape(seen)}" alt="{escape(label)}">'
    return scenes.svg(scenes.background(name) + scenes.foreground(name, np.array(seen)), label)


def _settings(agent: Learner) -> str:
    rows = "".join(
        f"<tr><th>{escape(k)}</th><td>{escape(f'{v:g}' if isinstance(v, float) else str(v))}</td></tr>"
        for k, v in dataclasses.asdict(agent.settings).items()
    )
    parameters = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{' × '.join(map(str, p.shape)) or 'scalar'}</td>"
        f'<td class="number">{p.numel():,}</td></tr>'
        for name, p in agent.model.named_parameters()
    )
    return (
        '<h2>How it was made</h2><div class="pair">'
        f'<div class="card"><h3>Settings</h3><table>{rows}</table></div>'
        '<div class="card"><h3>Parameters</h3><div class="scroll"><table><thead><tr><th>name</th><th>shape</th>'
        f'<th class="number">values</th></tr></thead><tbody>{parameters}</tbody></table></div></div></div>'
    )
