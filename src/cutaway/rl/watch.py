"""`cutaway rl watch`: episodes of a trained agent with the arithmetic of every step, as one page that asks no network."""

from __future__ import annotations

import base64
import html
import json
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from cutaway.core.errors import ArgumentError
from cutaway.core.replace import replacing
from cutaway.inspect import page as inspect_page
from cutaway.rl import evaluate, scenes
from cutaway.rl.learner import Learner, Played
from cutaway.rl.run import load
from cutaway.train.report.png import data_uri
from cutaway.train.settings import at_least

PAGE, TENSORS = "watch.html", "episodes.safetensors"
GIF_FRAMES = 150


def write(run: Path, episodes: int, seed: int | None, out: Path | None, gif: Path | None) -> Path:
    """Play greedy episodes, write the page and beside it the tensors that it shows.  Gives the page's path.

    Raises ArgumentError if no run is there, or for a GIF without Pillow.
    """
    at_least("--episodes", episodes, 1)
    at_least("--seed", seed or 0, 0)
    program, agent, _ = load(run, "watch")
    with agent.computing():
        played = evaluate.record(agent, episodes, seed)
    if played[0].blind:
        print(f"cutaway: {played[0].blind}", file=sys.stderr)
    looked = [agent.look(p) for p in played]
    target = out or run / PAGE
    target.parent.mkdir(parents=True, exist_ok=True)
    title = f"{program.name} in {agent.settings.env}"
    with replacing(target, "rl watch") as f:
        f.write(page(data(agent, played, looked), title, f"after {agent.step:,} steps").encode())
    _keep(target.with_name(TENSORS), played, looked)
    if gif is not None:
        moving_picture(agent.settings.env, played[0], gif)
    return target


def shown(agent: Learner, episodes: int = 1, seed: int | None = None) -> str:
    """The same page for a notebook's cell, in a frame of its own."""
    played = evaluate.record(agent, episodes, seed)
    whole = page(data(agent, played, [agent.look(p) for p in played]), agent.settings.env, f"after {agent.step:,} steps")
    return inspect_page.framed(whole, "episodes")


def data(agent: Learner, played: list[Played], looked: list[dict[str, Any]]) -> dict[str, Any]:
    """What the page is fed with: plain data."""
    name = agent.settings.env
    drawn = scenes.known(name)
    return {
        "env": name,
        "width": scenes.WIDTH,
        "height": scenes.HEIGHT,
        "inks": scenes.INKS,
        "paper": scenes.PAPER,
        "background": scenes.background(name) if drawn else None,
        "observed": list(scenes.OBSERVED.get(scenes.plain(name), [])),
        "acted": list(scenes.ACTED.get(scenes.plain(name), [])),
        "states": agent.spaces.states,
        "formulas": [list(f) for f in agent.formulas],
        "bars": dict(agent.bars),
        "line": list(agent.line),
        "episodes": [_episode(name, drawn, bool(agent.spaces.states), p, arrays) for p, arrays in zip(played, looked)],
    }


def _episode(name: str, drawn: bool, states: bool, p: Played, arrays: dict[str, Any]) -> dict[str, Any]:
    last = len(p.action)
    actions = [a.item() if a.ndim == 0 else a for a in p.action]
    pictures: list[Any] | None = None
    if drawn:
        pictures = [scenes.foreground(name, obs, actions[t] if t < last else None) for t, obs in enumerate(p.obs)]
    elif p.frames:
        pictures = [data_uri(f) for f in p.frames]
    return {
        "obs": p.obs.argmax(1).tolist() if states else p.obs.tolist(),
        "action": p.action.tolist(),
        "terminated": p.terminated,
        "pictures": pictures,
        "blind": p.blind,
        "arrays": {"reward": p.reward.tolist(), **{key: np.asarray(a).tolist() for key, a in arrays.items()}},
    }


def page(content: dict[str, Any], title: str, about: str) -> str:
    """The whole page, in the style of a recording's."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")
    urls = {}
    views, own = "cutaway.inspect.views", "cutaway.rl.views"
    for module, package in (("theme", views), ("tensor", views), ("episode", own)):
        source = files(package).joinpath(f"{module}.js").read_text(encoding="utf-8").replace('from "./', 'from "cutaway/')
        urls[f"cutaway/{module}.js"] = "data:text/javascript;base64," + base64.b64encode(source.encode()).decode()
    style = inspect_page.style() + files("cutaway.rl.views").joinpath("episode.css").read_text(encoding="utf-8")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{html.escape(title)}</title>\n'
        f'<script type="importmap">{json.dumps({"imports": urls})}</script>\n<style>{style}</style>\n</head>\n'
        f'<body class="inspect page">\n<h1>{html.escape(title)}<small>{html.escape(about)}</small></h1>\n'
        f'<script type="application/json" id="episodes">{text}</script>\n'
        '<script type="module">import { show } from "cutaway/episode.js";\n'
        'show(document.body, JSON.parse(document.getElementById("episodes").textContent));</script>\n</body>\n</html>\n'
    )


def _keep(path: Path, played: list[Played], looked: list[dict[str, Any]]) -> None:
    """What the page shows, as tensors: `0.obs`, `0.q`, ..."""
    from safetensors.numpy import save

    arrays = {}
    for i, (p, shown) in enumerate(zip(played, looked)):
        for name, a in {"obs": p.obs, "action": p.action, "reward": p.reward, **shown}.items():
            arrays[f"{i}.{name}"] = np.ascontiguousarray(a)
    with replacing(path, "rl watch") as f:
        f.write(save(arrays))


def moving_picture(name: str, p: Played, path: Path) -> None:
    """The episode as a GIF of at most GIF_FRAMES pictures, as fast as it was.  Raises ArgumentError if that cannot be."""
    try:
        from PIL import Image
    except ImportError:
        raise ArgumentError("--gif needs Pillow: pip install 'cutaway[vision]'") from None
    if not (scenes.known(name) or p.frames):
        raise ArgumentError(f"--gif: {p.blind or f'{name} shows no pictures'}")
    every = -(-len(p.obs) // GIF_FRAMES)
    at = range(0, len(p.obs), every)
    if scenes.known(name):
        back, last = scenes.background(name), len(p.action)
        action = lambda t: None if t >= last else p.action[t].item() if p.action[t].ndim == 0 else p.action[t]
        pictures = [scenes.image(back + scenes.foreground(name, p.obs[t], action(t))) for t in at]
    else:
        pictures = [Image.fromarray(p.frames[t]) for t in at]
    slow = 4 if len(p.obs) < 40 else 1
    with replacing(path, "rl watch --gif") as f:
        pictures[0].save(
            f, "GIF", save_all=True, append_images=pictures[1:], duration=max(20, 20 * every) * slow, loop=0
        )
