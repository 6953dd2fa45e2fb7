"""Pictures of environments, drawn from what the agent sees: plain shapes, which a page, a report and a GIF paint alike.

A shape is a list: ["line", x1, y1, x2, y2, width, ink], ["circle", x, y, r, ink], ["rect", x, y, w, h, ink],
["poly", [x, y, ...], ink] or ["text", x, y, words, ink], in a frame of WIDTH by HEIGHT with y downwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np

from cutaway.rl import grids

WIDTH, HEIGHT = 480, 300
INKS = {"ink": "#1c1b19", "soft": "#8d877b", "rule": "#d9d4c8", "main": "#0072b2", "accent": "#d55e00", "pale": "#cfe3ef"}
PAPER = "#fbfaf7"

Shape = list[Any]


def plain(name: str) -> str:
    """The environment's name without its arguments in brackets."""
    return name.partition("(")[0]


def known(name: str) -> bool:
    """True if there are pictures of this environment."""
    return plain(name) in SCENES or name in grids.NAMES


def background(name: str) -> list[Shape]:
    """What is the same in every picture."""
    if name in grids.NAMES:
        return _cells(grids.NAMES[name])
    return SCENES[plain(name)][0]


def foreground(name: str, obs: np.ndarray, action: Any = None) -> list[Shape]:
    """What stands before it: the state that `obs[d]` shows and, where it is known, the action that is taken in it."""
    shapes = _walker(grids.NAMES[name], obs, action) if name in grids.NAMES else SCENES[plain(name)][1](obs, action)
    return [[round(x, 1) if isinstance(x, float) else x for x in shape] for shape in shapes]


def svg(shapes: list[Shape], label: str) -> str:
    """The shapes as inline SVG, for a page without scripts."""
    fill = lambda ink: f'fill="{INKS[ink]}"'
    paint: dict[str, Callable[..., str]] = {
        "line": lambda a, b, c, d, w, ink: (
            f'<line x1="{a}" y1="{b}" x2="{c}" y2="{d}" stroke="{INKS[ink]}" stroke-width="{w}" stroke-linecap="round"/>'
        ),
        "circle": lambda x, y, r, ink: f'<circle cx="{x}" cy="{y}" r="{r}" {fill(ink)}/>',
        "rect": lambda x, y, w, h, ink: f'<rect x="{x}" y="{y}" width="{w}" height="{h}" {fill(ink)}/>',
        "poly": lambda points, ink: f'<polygon points="{" ".join(map(str, points))}" {fill(ink)}/>',
        "text": lambda x, y, words, ink: (
            f'<text x="{x}" y="{y}" text-anchor="middle" style="fill:{INKS[ink]};font-size:15px">{escape(words)}</text>'
        ),
    }
    body = "".join(paint[kind](*rest) for kind, *rest in shapes)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}" class="scene">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>{body}</svg>'
    )


def image(shapes: list[Shape]) -> Any:
    """The shapes as a Pillow image, half their size, for a GIF."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(picture)
    for kind, *rest in shapes:
        ink = INKS[rest[-1]]
        if kind == "line":
            x1, y1, x2, y2, width = rest[:5]
            draw.line((x1, y1, x2, y2), ink, max(round(width), 1))
            for x, y in ((x1, y1), (x2, y2)):
                draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), ink)
        elif kind == "circle":
            x, y, r = rest[:3]
            draw.ellipse((x - r, y - r, x + r, y + r), ink)
        elif kind == "rect":
            x, y, w, h = rest[:4]
            draw.rectangle((x, y, x + w, y + h), ink)
        elif kind == "poly":
            draw.polygon(rest[0], ink)
        else:
            draw.text((rest[0], rest[1]), rest[2], ink, anchor="ms")
    return picture.resize((WIDTH // 2, HEIGHT // 2), Image.Resampling.LANCZOS)


# --- what each environment looks like ---------------------------------------------------------------------------------


def _cart(obs: np.ndarray, action: Any) -> list[Shape]:
    """x, its speed, angle, its speed (Barto, Sutton & Anderson 1983)."""
    x, _, angle, _ = map(float, obs)
    at, top, length = WIDTH / 2 + x * WIDTH / 6, 200.0, 130.0
    push = {0: -1, 1: 1}.get(action, 0)
    shapes: list[Shape] = [["rect", at - 32, top, 64, 34, "ink"]]
    shapes += [["circle", at + dx, top + 38, 8, "soft"] for dx in (-18, 18)]
    shapes += [
        ["line", at, top, at + length * math.sin(angle), top - length * math.cos(angle), 9, "accent"],
        ["circle", at, top, 5, "main"],
    ]
    return shapes + (_arrow(at + push * 40, top + 17, push * 34, 0) if push else [])


def _acrobot(obs: np.ndarray, action: Any) -> list[Shape]:
    """cos and sin of two angles, their speeds (Sutton 1996)."""
    first = math.atan2(obs[1], obs[0])
    second = first + math.atan2(obs[3], obs[2])
    x0, y0, unit = WIDTH / 2, 150.0, 62.0
    x1, y1 = x0 + unit * math.sin(first), y0 + unit * math.cos(first)
    x2, y2 = x1 + unit * math.sin(second), y1 + unit * math.cos(second)
    shapes: list[Shape] = [["line", x0, y0, x1, y1, 11, "main"], ["line", x1, y1, x2, y2, 11, "accent"]]
    shapes += [["circle", x, y, 6, "ink"] for x, y in ((x0, y0), (x1, y1))]
    return shapes + (_turn(x1, y1, (int(action) - 1) * 1.0, 22) if action is not None else [])


def _pendulum(obs: np.ndarray, action: Any) -> list[Shape]:
    """cos and sin of the angle from upright, its speed."""
    x0, y0, length = WIDTH / 2, 150.0, 110.0
    x1, y1 = x0 - length * float(obs[1]), y0 - length * float(obs[0])
    shapes: list[Shape] = [["line", x0, y0, x1, y1, 14, "accent"], ["circle", x0, y0, 7, "ink"]]
    return shapes + (_turn(x0, y0, float(np.ravel(action)[0]) / 2, 34) if action is not None else [])


def _car(obs: np.ndarray, action: Any) -> list[Shape]:
    """Where the car is, and its speed (Moore 1990)."""
    x, y = _hill(float(obs[0]))
    push = {0: -1, 1: 0, 2: 1}.get(action, 0) if not isinstance(action, np.ndarray) else float(action[0])
    return [["circle", x, y - 12, 12, "accent"], *(_arrow(x + push * 16, y - 12, push * 30, 0) if push else [])]


def _hill(at: float) -> tuple[float, float]:
    return 20 + (at + 1.2) / 1.8 * (WIDTH - 40), 170 - 100 * math.sin(3 * at)


def _arrow(x: float, y: float, dx: float, dy: float) -> list[Shape]:
    """From (x, y) along (dx, dy)."""
    size = math.hypot(dx, dy) or 1.0
    ux, uy = dx / size * 9, dy / size * 9
    x2, y2 = x + dx, y + dy
    tip = (x2 + ux, y2 + uy, x2 - uy * 0.8, y2 + ux * 0.8, x2 + uy * 0.8, y2 - ux * 0.8)
    return [["line", x, y, x2, y2, 4, "main"], ["poly", [round(v, 1) for v in tip], "main"]]


def _turn(x: float, y: float, strength: float, radius: float) -> list[Shape]:
    """An arc around (x, y) with an arrow's head, as long as the torque is strong: from -1, clockwise, to 1."""
    if abs(strength) < 0.02:
        return []
    swing = strength * 2.2
    points = [(x + radius * math.sin(math.pi + a), y + radius * math.cos(math.pi + a)) for a in np.linspace(0, swing, 9)]
    lines: list[Shape] = [["line", *map(float, (*a, *b)), 4, "main"] for a, b in pairwise(points[:-1])]
    (x1, y1), (x2, y2) = points[-2], points[-1]
    return lines + _arrow(x1, y1, float(x2 - x1) * 0.2, float(y2 - y1) * 0.2)[1:]


def _cells(grid: grids.Grid) -> list[Shape]:
    unit, left, top = _unit(grid)
    inks = {"G": "pale", "#": "soft", "c": "rule"}
    shapes: list[Shape] = []
    for i, row in enumerate(grid.cells):
        for j, letter in enumerate(row):
            x, y = left + j * unit, top + i * unit
            shapes.append(["rect", x, y, unit - 2, unit - 2, inks.get(letter, "paper")])
            if letter not in ".#c":
                shapes.append(["text", x + unit / 2, y + unit / 2 + 5, letter, "soft"])
    return [s if s[-1] != "paper" else [*s[:-1], "white"] for s in shapes]


def _walker(grid: grids.Grid, obs: np.ndarray, action: Any) -> list[Shape]:
    unit, left, top = _unit(grid)
    i, j = divmod(int(np.argmax(obs)), grid.shape[1])
    x, y = left + (j + 0.5) * unit - 1, top + (i + 0.5) * unit - 1
    shapes: list[Shape] = [["circle", x, y, unit * 0.26, "accent"]]
    if action is None:
        return shapes
    down, right = grids.MOVES[int(action)]
    return shapes + _arrow(x + right * unit * 0.3, y + down * unit * 0.3, right * unit * 0.18, down * unit * 0.18)


def _unit(grid: grids.Grid) -> tuple[float, float, float]:
    rows, columns = grid.shape
    unit = float(min((WIDTH - 20) // columns, (HEIGHT - 20) // rows))
    return unit, (WIDTH - columns * unit) / 2, (HEIGHT - rows * unit) / 2


INKS |= {"white": "#ffffff"}
_TRACK: list[Shape] = [["line", 20, 246, WIDTH - 20, 246, 2, "soft"]]
_TRACK += [["line", WIDTH / 2 + x * WIDTH / 6, 240, WIDTH / 2 + x * WIDTH / 6, 252, 2, "soft"] for x in (-2.4, 2.4)]
_GROUND: list[Shape] = [
    ["line", *(round(v, 1) for v in (*_hill(a), *_hill(a + 0.05))), 3, "soft"] for a in np.arange(-1.2, 0.6, 0.05).tolist()
]

# name -> what is the same in every picture, and what is not
SCENES: dict[str, tuple[list[Shape], Callable[[np.ndarray, Any], list[Shape]]]] = {
    "CartPole-v1": (_TRACK, _cart),
    "CartPole-v0": (_TRACK, _cart),
    "Acrobot-v1": ([["line", 60, 88, WIDTH - 60, 88, 2, "rule"]], _acrobot),  # the height to reach
    "Pendulum-v1": ([["circle", WIDTH / 2, 150, 3, "soft"]], _pendulum),
    "MountainCar-v0": (_GROUND, _car),
    "MountainCarContinuous-v0": (_GROUND, _car),
}

_LANDER = ("x", "y", "speed along x", "speed along y", "angle", "turning", "left leg down", "right leg down")

# What the numbers of an observation and of an action are called.
OBSERVED = {
    "CartPole-v1": ("position", "speed", "angle", "turning"),
    "Acrobot-v1": ("cos θ₁", "sin θ₁", "cos θ₂", "sin θ₂", "θ₁ turning", "θ₂ turning"),
    "Pendulum-v1": ("cos θ", "sin θ", "turning"),
    "MountainCar-v0": ("position", "speed"),
    "MountainCarContinuous-v0": ("position", "speed"),
    **dict.fromkeys(("LunarLander-v3", "LunarLanderContinuous-v3"), _LANDER),
}
ACTED = {
    "CartPole-v1": ("left", "right"),
    "Acrobot-v1": ("torque −1", "none", "torque +1"),
    "Pendulum-v1": ("torque",),
    "MountainCar-v0": ("left", "nothing", "right"),
    "MountainCarContinuous-v0": ("push",),
    "LunarLander-v3": ("nothing", "left engine", "main engine", "right engine"),
    "LunarLanderContinuous-v3": ("main engine", "side engines"),
    "FrozenLake-v1": ("left", "down", "right", "up"),
    "FrozenLake8x8-v1": ("left", "down", "right", "up"),
    "CliffWalking-v1": grids.ACTIONS,
    **dict.fromkeys(("Taxi-v3", "Taxi-v4"), ("down", "up", "right", "left", "pick up", "drop off")),
    "Blackjack-v1": ("stick", "hit"),
    **dict.fromkeys(grids.NAMES, grids.ACTIONS),
}
