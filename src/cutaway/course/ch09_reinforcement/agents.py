"""Two ways to learn to balance: by values of actions (DQN, Mnih et al. 2015), by the policy itself (Williams 1992)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from importlib.util import find_spec
from typing import Any

import numpy as np

import cutaway
from cutaway import nn
from cutaway.course.ch09_reinforcement.worlds import Carts, moved
from cutaway.nn import functional as F
from cutaway.rl import roster
from cutaway.rl.learner import Learner

GAMMA = 0.98
SCALE = np.array([1.0, 1.0, 5.0, 1.0])  # so that the four numbers are about as large


def network(width: int = 64) -> nn.Module:
    """From a state to a number for each of the two pushes."""
    return nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 2))


def ask(fast: Callable[..., Any], states: np.ndarray) -> np.ndarray:
    """The network's numbers for states[N, 4]."""
    with cutaway.no_grad():
        return fast(cutaway.from_numpy((states * SCALE).astype(np.float32))).numpy().astype(float)


def compiled(f: Callable[..., Any]) -> Callable[..., Any]:
    """One program where that can be, else f itself."""
    try:
        return cutaway.compile(f)
    except ImportError:
        return f


def dqn(
    choose: Any, memory: Any, targets: Any, iterations: int, *, replay: bool = True, frozen: bool = True, seed: int = 0
) -> dict[str, Any]:
    """Learn Q by the parts given, epsilon_greedy, Replay, td_targets: eight carts at once, then one step of learning.

    replay=False learns from the last steps only; frozen=False takes the targets from the network that is learning.
    """
    cutaway.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net, target = network(), network()
    target.load_state_dict(net.state_dict())
    optimizer = cutaway.optim.Adam(net.parameters(), lr=0.001)

    def step(x: Any, a: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.smooth_l1_loss(net(x).gather(1, a[:, None])[:, 0], y)
        loss.backward()
        optimizer.step()
        return loss

    fast, says, said = compiled(step), compiled(lambda x: net(x)), compiled(lambda x: target(x))
    carts, kept = Carts(8, rng), memory(10000 if replay else 64)
    lengths, age = [], np.zeros(8, int)
    for i in range(iterations):
        epsilon = max(0.05, 1 - 2 * i / max(iterations, 1))
        state, q = carts.state, ask(says, carts.state)
        action = np.array([choose(row, epsilon, *rng.random(2)) for row in q])
        came, reward, fallen, over = carts.step(action)
        for n in range(8):
            kept.add((state[n], action[n], reward[n], came[n], float(fallen[n])))
        age += 1
        lengths += [(i, int(v)) for v in age[over]]
        age[over] = 0
        if len(kept) < 64:
            continue
        s, a, r, s2, done = (np.array(column) for column in zip(*kept.sample(64, rng)))
        y = targets(r, ask(said if frozen else says, s2), done, GAMMA)
        fast(*map(cutaway.from_numpy, ((s * SCALE).astype(np.float32), a.astype(np.int64), y.astype(np.float32))))
        if i % 50 == 0:
            target.load_state_dict(net.state_dict())
    return {"q": lambda x: ask(says, x), "target": lambda x: ask(said, x), "lengths": lengths}


def reinforce(returns: Any, gradient: Any, updates: int, seed: int = 0) -> dict[str, Any]:
    """Learn a policy by the parts given: returns, policy_gradient.  Sixteen episodes between two updates."""
    cutaway.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = network(32)
    optimizer = cutaway.optim.Adam(net.parameters(), lr=0.01)
    says = compiled(lambda x: net(x))
    means = []
    for _ in range(updates):
        carts, alive = Carts(16, rng), np.ones(16, bool)
        states, actions, living = [], [], []
        while alive.any():
            logits = ask(says, carts.state)
            action = (rng.random(16) < 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))).astype(int)
            states.append(carts.state)
            actions.append(action)
            living.append(alive)
            alive = alive & ~carts.step(action)[3]
        life = np.array(living)
        to_come = np.stack([np.r_[returns(np.ones(n), GAMMA), np.zeros(len(life) - n)] for n in life.sum(0)], 1)
        each = to_come[life]
        each = (each - each.mean()) / (each.std() + 1e-8)
        optimizer.zero_grad()
        count = len(each)
        x, g = np.zeros((16 * 200, 4), np.float32), np.zeros((16 * 200, 2), np.float32)  # one shape for all
        x[:count] = np.array(states)[life] * SCALE
        z = net(cutaway.from_numpy(x))
        g[:count] = gradient(z.detach().numpy()[:count].astype(float), np.array(actions)[life], each)
        z.backward(cutaway.from_numpy(g))
        optimizer.step()
        means.append(float(life.sum(0).mean()))
    return {"logits": lambda x: ask(says, x), "means": means}


def episode(numbers: Callable[[np.ndarray], np.ndarray], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """One episode of a greedy agent: states[T + 1, 4], actions[T]."""
    states, actions = [np.random.default_rng(seed).uniform(-0.05, 0.05, 4)], list[int]()
    while len(actions) < 200 and abs(states[-1][0]) <= 2.4 and abs(states[-1][2]) <= 12 * np.pi / 180:
        actions.append(int(np.argmax(numbers(states[-1][None])[0])))
        states.append(moved(states[-1][None], actions[-1:])[0])
    return np.array(states), np.array(actions)


ENVIRONMENT = "CartPole-v1" if find_spec("gymnasium") else "cliff"


def of_the_library(parts: dict[str, Any], steps: int, seed: int, tell: Callable[[float], None]) -> Learner:
    """cutaway.rl's DQN after `steps` steps, with `parts` (of check.py's PLUGS) in the place of its own."""
    program = roster.find("dqn")
    with cutaway.use(**parts) if parts else nullcontext():
        agent = program.agent(program.config.of(env=ENVIRONMENT, steps=steps, seed=seed))
        with agent.computing():
            while not agent.finished:
                agent.advance()
                tell(agent.share)
    return agent
