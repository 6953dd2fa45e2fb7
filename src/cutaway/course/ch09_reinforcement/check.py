"""The exercises of chapter 9, with the mistakes that are made in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cutaway.course.ch09_reinforcement import exercises as stub
from cutaway.course.exercise import Exercise, Numbers, Plug, Wrong
from cutaway.course.slopes import slope
from cutaway.plug import arrays
from cutaway.rl import policies
from cutaway.rl.replay import Memory

# --- averages and choices ---------------------------------------------------------------------------------------------


MEAN = Exercise(
    "running_mean", "A mean that keeps up", lambda old, r, n: old + (r - old) / n, spec=stub.running_mean_spec, show="table",
    cases=((0.0, 3.0, 1), (3.0, 1.0, 2), (2.0, -1.0, 3)), draw=lambda d, n: (d.number(), d.number(), d.integer(1, 2 * n)),
    wrong=[
        Wrong(lambda old, r, n: old + (old - r) / n, "It steps away from the reward: the error is reward - old."),
        Wrong(lambda old, r, n: old + r / n, "The old mean is not subtracted: step by the error, reward - old, over n."),
        Wrong(lambda old, r, n: (old + r) / 2, "That gives the last reward half of the weight: 1/n."),
        Wrong(lambda old, r, n: old + (r - old) / (n + 1), "n counts the last reward already: divide by n."),
        Wrong(lambda old, r, n: old + (r - old), "The step size 1/n is missing: it forgets all but the last reward."),
        Wrong(lambda old, r, n: (old * n + r) / (n + 1) if n > 1 else r, "old is the mean of n - 1 rewards, not of n."),
        Wrong(lambda old, r, n: old + (r - old) * n, "The error is multiplied by n: divided, so that each later reward counts less."),
    ],
)  # fmt: skip


def greedy(q: Any, epsilon: float, u: float, v: float, *, best: Any = np.argmax, explore: Any = lambda u, e: u < e, others: bool = False) -> int:
    """A choice, and by its options the ways to get it wrong."""
    top = int(best(q))
    if not explore(u, epsilon):
        return top
    if others:
        rest = [a for a in range(len(q)) if a != top]
        return rest[int(v * len(rest))]
    return int(v * len(q))


CHOICE = Exercise(
    "epsilon_greedy", "Try, or take the best", greedy, spec=stub.epsilon_greedy_spec, show="table",
    cases=((np.array([0.0, 2.0, 1.0]), 0.25, 0.5, 0.1), (np.array([0.0, 2.0, 1.0]), 0.25, 0.1, 0.9), (np.array([0.0, 2.0, 1.0]), 0.25, 0.1, 0.5),
           (np.array([1.0, 1.0]), 0.0, 0.0, 0.9), (np.array([-1.0, -2.0]), 0.5, 0.5, 0.6)),
    draw=lambda d, n: (d.array(n + 1), 0.25 * d.integer(0, 4), float(d.random.random()), float(d.random.random())),
    wrong=[
        Wrong(lambda q, e, u, v: greedy(q, e, u, v, explore=lambda u, e: u >= e), "It tries with probability 1 - epsilon: if u is below epsilon."),
        Wrong(lambda q, e, u, v: greedy(q, e, u, v, explore=lambda u, e: u <= e), "At u = epsilon it takes the best: with epsilon = 0 it must never try."),
        Wrong(lambda q, e, u, v: greedy(q, e, u, v, others=True), "When it tries, the best action may come up, too: all alike."),
        Wrong(lambda q, e, u, v: greedy(q, e, u, v, best=np.argmin), "It takes the worst action: argmax."),
        Wrong(lambda q, e, u, v: greedy(q, e, u, v, best=lambda q: len(q) - 1 - np.argmax(q[::-1])), "Of several best ones it takes the last: the first."),
        Wrong(lambda q, e, u, v: int(np.argmax(q)), "It never tries anything: epsilon is not used."),
        Wrong(lambda q, e, u, v: greedy(q, e, u, u), "u decides whether to try, v what: with u below epsilon, u * A is a small number always."),
        Wrong(lambda q, e, u, v: int(v * len(q)), "It always tries: only if u is below epsilon."),
    ],
)  # fmt: skip


def returns(rewards: Any, gamma: float, *, back: bool = True, own: bool = True, power: bool = False) -> np.ndarray:
    """What is to come, and by its options the ways to get it wrong."""
    out, total = np.zeros(len(rewards)), 0.0
    for t in range(len(rewards))[:: -1 if back else 1]:
        out[t] = rewards[t] + gamma * total if own else gamma * (rewards[t] + total)
        total = out[t]
    return out * gamma ** np.arange(len(rewards)) if power else out


RETURNS = Exercise(
    "returns", "What is still to come", returns, spec=stub.returns_spec,
    cases=((np.array([1.0, 1.0, 1.0]), 0.5), (np.array([0.0, 0.0, 1.0]), 0.5), (np.array([1.0, 2.0]), 1.0)),
    draw=lambda d, n: (d.array(n + 1), 0.25 * d.integer(1, 4)), example=(np.array([0.0, 0.0, 1.0, 0.0, 2.0]), 0.5),
    wrong=[
        Wrong(lambda r, g: returns(r, g, back=False), "It adds up the past: what is to come, so walk from the end."),
        Wrong(lambda r, g: returns(r, g, own=False), "A step's own reward is discounted, too: only what comes after it."),
        Wrong(lambda r, g: returns(r, 1.0), "gamma is not used: later rewards count less."),
        Wrong(lambda r, g: returns(r, g, power=True), "It is discounted to the beginning of the episode: to step t."),
        Wrong(lambda r, g: float(returns(r, g)[0]), "That is the return of the first step: give one for each step."),
        Wrong(lambda r, g: np.r_[returns(r, g)[1:], 0.0], "A step's own reward is missing."),
        Wrong(lambda r, g: returns(r[::-1], g), "The rewards are turned round: walk from the end, but put each result in its own place."),
    ],
)  # fmt: skip


# --- values -----------------------------------------------------------------------------------------------------------


def value_iteration(p: Any, r: Any, terminal: Any, gamma: float, sweeps: int, *, best: Any = np.max, end: bool = True, at_once: bool = True,
                    reward: bool = True, turned: bool = False, table: bool = False) -> np.ndarray:  # fmt: skip
    """Values, and by its options the ways to get it wrong."""
    v = np.zeros(len(r))
    q = np.zeros_like(r)
    for _ in range(sweeps):
        old = v.copy() if at_once else v
        for s in range(len(r)):
            following = (p[:, :, s].T if turned else p[s]) @ old
            q[s] = (r[s] if reward else 0.0) + gamma * following
            v[s] = 0.0 if end and terminal[s] else best(q[s])
    return q if table else v


def world(d: Numbers, n: int) -> tuple[Any, ...]:
    p = d.positive(n + 1, 2, n + 1)
    terminal = np.arange(n + 1) == n
    return p / p.sum(-1, keepdims=True), d.array(n + 1, 2), terminal, 0.25 * d.integer(1, 4), d.integer(1, 3)


ROAD = np.zeros((3, 2, 3))
ROAD[0, 0, 0] = ROAD[0, 1, 1] = ROAD[1, 0, 0] = ROAD[1, 1, 2] = ROAD[2, :, 2] = 1.0
ROAD_REWARDS = np.array([[-1.0, -1.0], [-1.0, 4.0], [2.0, 2.0]])

VALUES = Exercise(
    "value_iteration", "What a state is worth", value_iteration, spec=stub.value_iteration_spec, free=False, draw=world,
    cases=((ROAD, ROAD_REWARDS, np.array([False, False, True]), 0.5, 1), (ROAD, ROAD_REWARDS, np.array([False, False, True]), 0.5, 2)),
    example=(ROAD, ROAD_REWARDS, np.array([False, False, True]), 0.5, 3),
    wrong=[
        Wrong(lambda *a: value_iteration(*a, best=np.mean), "It takes the mean over the actions: whoever acts well takes the best."),
        Wrong(lambda *a: value_iteration(*a, best=np.sum), "It adds up the actions: only one of them can be taken, the best."),
        Wrong(lambda *a: value_iteration(*a, end=False), "Terminal states get a value: nothing follows there, so 0."),
        Wrong(lambda *a: value_iteration(*a, at_once=False), "It uses values of the same sweep: compute all from those of the sweep before."),
        Wrong(lambda p, r, t, g, n: value_iteration(p, r, t, 1.0, n), "gamma is not used."),
        Wrong(lambda *a: value_iteration(*a, reward=False), "The rewards are missing."),
        Wrong(lambda *a: value_iteration(*a, turned=True), "It looks at where one comes from: sum over s' with p[s, a, s'], the last axis."),
        Wrong(lambda p, r, t, g, n: value_iteration(p, r, t, g, n + 1), "It makes one sweep too many."),
        Wrong(lambda *a: value_iteration(*a, table=True), "There is a value for each action: take the best of each state."),
    ],
)  # fmt: skip


def q_update(q: Any, s: int, a: int, reward: float, s2: int, done: bool, rate: float, gamma: float, *, end: bool = True, follow: Any = np.max,
             less: bool = True, where: str = "next") -> np.ndarray:  # fmt: skip
    """The table, and by its options the ways to get it wrong."""
    new = q.copy()
    future = follow(q[s2 if where == "next" else s])
    target = reward + (0.0 if done and end else gamma * future)
    new[s, a] += rate * (target - (q[s, a] if less else 0.0))
    return new


def in_place(q: Any, s: int, a: int, reward: float, s2: int, done: bool, rate: float, gamma: float) -> Any:
    q[:] = q_update(q, s, a, reward, s2, done, rate, gamma)
    return q


TABLE = np.array([[0.0, 1.0], [2.0, 4.0], [0.5, 0.0]])

Q_UPDATE = Exercise(
    "q_update", "Q-learning", q_update, spec=stub.q_update_spec,
    cases=((TABLE, 0, 1, 1.0, 1, False, 0.5, 0.5), (TABLE, 0, 1, 1.0, 1, True, 0.5, 0.5), (TABLE, 2, 0, -1.0, 2, False, 0.25, 1.0)),
    draw=lambda d, n: (d.array(n + 1, 2), d.integer(0, n), d.integer(0, 1), d.number(), d.integer(0, n), bool(d.integer(0, 1)), 0.25 * d.integer(1, 4), 0.5),
    example=(TABLE, 0, 1, 1.0, 1, False, 0.5, 0.5),
    wrong=[
        Wrong(lambda *a: q_update(*a, end=False), "When the episode is done nothing follows: the target is the reward alone."),
        Wrong(lambda *a: q_update(*a, follow=np.mean), "It takes the mean of the next values: Q-learning takes the best (this would be another policy's value)."),
        Wrong(lambda *a: q_update(*a, follow=lambda v: v[a[2]]), "It follows the same action again: the best of the next state."),
        Wrong(lambda *a: q_update(*a, less=False), "The old value is not subtracted: step by target - q[s, a]."),
        Wrong(lambda *a: q_update(*a, where="here"), "It looks at the values of s: the best of the next state, s2."),
        Wrong(lambda q, s, a, r, s2, d, rate, g: q_update(q, s, a, r, s2, d, 1.0, g), "The rate is not used: it jumps all the way to the target."),
        Wrong(lambda q, s, a, r, s2, d, rate, g: q_update(q, s, a, r, s2, d, rate, 1.0), "gamma is not used."),
        Wrong(in_place, "It writes into the table that it was given: give a new one (q.copy())."),
        Wrong(lambda q, s, a, *more: float(q_update(q, s, a, *more)[s, a]), "That is the new number: give the whole table."),
    ],
)  # fmt: skip


# --- memory and targets -----------------------------------------------------------------------------------------------


def memory(*, forget: str = "oldest", limit: int = 0, fresh: int = 0, once: bool = False) -> type:
    """The class, and by its options the ways to get it wrong."""

    class Replay:
        def __init__(self, size: int) -> None:
            self.size, self.things, self.next = size + limit, [], 0  # type: ignore[var-annotated]

        def add(self, x: Any) -> None:
            if len(self.things) < self.size or forget == "nothing":
                self.things.append(x)
            elif forget == "newest":
                self.things[-1] = x
            elif forget == "all":
                self.things = [x]
            elif forget == "oldest":
                self.things[self.next] = x
                self.next = (self.next + 1) % self.size

        def __len__(self) -> int:
            return len(self.things)

        def sample(self, count: int, rng: np.random.Generator) -> list[Any]:
            if once:
                return self.things[:count]
            return [self.things[int(i)] for i in rng.integers(fresh * len(self.things) // 2, len(self.things), count)]

    return Replay


def remembered(answer: Any, size: int, added: int) -> Any:
    """What a memory of `size` holds after 0, 1, 2 ... were added: how many, and what is drawn from it."""
    made = answer(size)
    for i in range(added):
        made.add(i)
    drawn = made.sample(40 * size, np.random.default_rng(added))
    return len(made), len(drawn), sorted(set(drawn))


class Slow:
    """The spec: a list that is cut."""

    def __init__(self, size: int) -> None:
        self.size, self.things = size, []  # type: ignore[var-annotated]

    def add(self, x: Any) -> None:
        self.things = [*self.things, x][-self.size :]

    def __len__(self) -> int:
        return len(self.things)

    def sample(self, count: int, rng: np.random.Generator) -> list[Any]:
        return [self.things[int(i)] for i in rng.integers(0, len(self.things), count)]


REPLAY = Exercise(
    "Replay", "A memory", memory(), spec=Slow, play=remembered, show="table", cases=((3, 2), (3, 3), (3, 5), (4, 11), (1, 3)),
    wrong=[
        Wrong(memory(forget="nothing"), "Nothing is ever forgotten: no more than `size` things."),
        Wrong(memory(forget="newest"), "When it is full the newest is written over: the oldest must go."),
        Wrong(memory(forget="none"), "When it is full nothing new gets in: it goes in the oldest one's place."),
        Wrong(memory(forget="all"), "When it is full everything is forgotten: only the oldest."),
        Wrong(memory(limit=1), "It holds one more than `size`."),
        Wrong(memory(once=True), "It gives what was added first: draw each by rng, so that neighbours are not learned together."),
        Wrong(memory(fresh=1), "It draws from the newer half only: all are drawn alike."),
    ],
)  # fmt: skip


def td_targets(rewards: Any, q_next: Any, done: Any, gamma: float, *, follow: Any = lambda q: q.max(1)) -> np.ndarray:
    return rewards + gamma * (1 - done) * follow(q_next)


TARGETS = Exercise(
    "td_targets", "What it should have said", td_targets, spec=stub.td_targets_spec,
    cases=((np.array([1.0, 1.0]), np.array([[2.0, 4.0], [2.0, 4.0]]), np.array([0.0, 1.0]), 0.5), (np.array([1.0]), np.array([[-2.0, -4.0]]), np.array([0.0]), 0.5)),
    draw=lambda d, n: (d.array(n), d.array(n, 2 + n // 3), d.bits(n), 0.25 * d.integer(1, 4)),
    example=(np.array([1.0, 1.0, 0.0]), np.array([[2.0, 4.0], [2.0, 4.0], [1.0, -3.0]]), np.array([0.0, 1.0, 0.0]), 0.5),
    wrong=[
        Wrong(lambda r, q, d, g: td_targets(r, q, 0 * d, g), "done is not used: after the last step nothing follows."),
        Wrong(lambda r, q, d, g: td_targets(r, q, 1 - d, g), "done is turned round: what follows counts where the episode is not done."),
        Wrong(lambda r, q, d, g: td_targets(r, q, d, 1.0), "gamma is not used."),
        Wrong(lambda r, q, d, g: td_targets(r, q, d, g, follow=lambda q: q.mean(1)), "It takes the mean over the actions: the largest."),
        Wrong(lambda r, q, d, g: td_targets(r, q, d, g, follow=lambda q: q.argmax(1)), "That is the number of the best action: its value (max, not argmax)."),
        Wrong(lambda r, q, d, g: td_targets(r, q, d, g, follow=lambda q: q.max()), "It takes the largest of all rows: each step has its own, axis 1."),
        Wrong(lambda r, q, d, g: (1 - d) * (r + g * q.max(1)), "The last reward is lost: only what would follow it is 0."),
        Wrong(lambda r, q, d, g: g * (1 - d) * q.max(1), "The rewards are missing."),
    ],
)  # fmt: skip


def policy_gradient(logits: Any, actions: Any, advantages: Any, *, mean: bool = True, sign: float = 1.0, hot: bool = True, shift: bool = True,
                    weight: bool = True, soft: bool = True) -> np.ndarray:  # fmt: skip
    """The gradient, and by its options the ways to get it wrong."""
    z = logits - logits.max(1, keepdims=True) if shift else logits
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True) if soft else logits
    g = p - np.eye(logits.shape[1])[actions] if hot else p
    return sign * g * (advantages[:, None] if weight else 1.0) / (len(logits) if mean else 1)


POLICY = Exercise(
    "policy_gradient", "The gradient of a policy", policy_gradient, rtol=1e-5, free=False,
    spec=lambda z, a, w: slope(lambda v: stub.policy_loss_spec(v, a, w), z),
    cases=((np.array([[0.0, 0.0]]), np.array([0]), np.array([1.0])), (np.array([[800.0, 800.0], [1.0, 2.0]]), np.array([0, 1]), np.array([2.0, -1.0]))),
    draw=lambda d, n: (d.array(n, 2 + n // 3), d.labels(n, 2), d.apart(n)),
    wrong=[
        Wrong(lambda *a: policy_gradient(*a, sign=-1.0), "The sign is turned round: the loss is minus the expected reward, and learning goes against its gradient."),
        Wrong(lambda *a: policy_gradient(*a, mean=False), "It is divided by nothing: the loss is a mean over N steps."),
        Wrong(lambda *a: policy_gradient(*a, weight=False), "The advantages are missing: this makes every action that was taken more probable."),
        Wrong(lambda *a: policy_gradient(*a, hot=False), "The one-hot is missing: softmax less 1 at the action that was taken."),
        Wrong(lambda *a: policy_gradient(*a, shift=False), "exp of large logits is infinite: subtract each row's largest first."),
        Wrong(lambda *a: policy_gradient(*a, soft=False), "The softmax is missing: logits are no probabilities."),
        Wrong(lambda z, a, w: policy_gradient(z, a, w).sum(0), "It adds up the steps: each has its own row of logits, and its own gradient."),
        Wrong(lambda z, a, w: policy_gradient(z, a, w**2), "The advantage counts once: a bad action, below 0, must become less probable."),
    ],
)  # fmt: skip


EXERCISES = (MEAN, CHOICE, RETURNS, VALUES, Q_UPDATE, REPLAY, TARGETS, POLICY)


# --- in agents --------------------------------------------------------------------------------------------------------


def chooser(choose: Callable[..., int]) -> Callable[..., np.ndarray]:
    """cutaway.rl's epsilon_greedy of the answer: one state after the other."""

    def epsilon_greedy(values: Callable[[], np.ndarray], shape: Any, epsilon: float, rng: np.random.Generator) -> np.ndarray:
        return np.array([choose(row.astype(float), epsilon, *rng.random(2)) for row in values()], np.int64)

    return epsilon_greedy


def walker(totals: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Its returns_to_go: what an episode was cut off from is one reward more."""

    def returns_to_go(reward: np.ndarray, gamma: float, after: float = 0.0) -> np.ndarray:
        return np.asarray(totals(np.append(np.asarray(reward, float), after), gamma)[:-1], np.float32)

    return returns_to_go


def stepper(update: Callable[..., np.ndarray]) -> Callable[..., float]:
    """Its q_step: the answer's new table is written over the old one."""

    def q_step(q: np.ndarray, s: int, a: int, reward: float, s2: int, terminated: bool, rate: float, gamma: float) -> float:
        before = float(q[s, a])
        q[:] = update(q.copy(), s, a, reward, s2, terminated, rate, gamma)
        return (float(q[s, a]) - before) / rate if rate else 0.0

    return q_step


def rememberer(replay: Any) -> Any:
    """Its Memory: the rows stay where a network reads them, the answer remembers which there are and draws."""

    class Remembers(Memory):
        """A ring of rows; the numbers of those that are remembered are in the learner's Replay."""

        def __init__(self, capacity: int, *more: Any) -> None:
            super().__init__(capacity, *more)
            self.own, self.added = replay(capacity), 0

        def _write(self, *values: Any) -> int:
            at = super()._write(*values)
            self.own.add(at)
            self.added += 1
            return at

        def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
            """rows[count], as the answer draws them."""
            return np.array(self.own.sample(count, rng), np.int64)

        def state(self) -> dict[str, Any]:
            """With how many were added."""
            return super().state() | {"added": self.added}

        def load_state(self, state: dict[str, Any]) -> None:
            """All are added once more, so that the answer stands as it stood."""
            super().load_state(state)
            self.own, self.added = replay(self.capacity), state.get("added", state["size"])
            for i in range(self.added):
                self.own.add(i % self.capacity)

    return Remembers


def aimer(targets: Callable[..., np.ndarray]) -> Callable[..., Any]:
    """Its q_targets.  Where several rewards were summed up, the discounts are several, too: one call for each."""

    def q_targets(reward: np.ndarray, discount: np.ndarray, q_next: np.ndarray) -> np.ndarray:
        y = np.empty(len(reward))
        for d in np.unique(discount):
            at = discount == d
            y[at] = targets(reward[at].astype(float), q_next[at].astype(float), np.full(at.sum(), float(d == 0)), float(d))
        return y

    return arrays(q_targets, lambda g, *_: None, name="td_targets")


def policy(gradient: Callable[..., np.ndarray]) -> Callable[..., Any]:
    """Its policy_loss, whose gradient is the answer; of policies over actions that are numbers, the library's."""

    def forward(z: np.ndarray, actions: np.ndarray, counts: np.ndarray, weight: np.ndarray) -> Any:
        top = z.max(1)
        log_p = z[np.arange(len(z)), actions] - top - np.log(np.exp(z - top[:, None]).sum(1))
        return -(weight * counts * log_p).sum()

    def backward(g: Any, z: np.ndarray, actions: np.ndarray, counts: np.ndarray, weight: np.ndarray) -> tuple[Any, ...]:
        return (g * gradient(z, actions, counts * weight * len(z)), None, None, None)  # the answer divides by the number of rows

    loss = arrays(forward, backward, name="policy_gradient")

    def policy_loss(policy: Any, said: Any, action: Any, counts: Any, weight: Any) -> Any:
        if not policy.discrete:
            return policies.policy_loss(policy, said, action, counts, weight)
        return loss(said, action, counts, weight)

    return policy_loss


PLUGS = (
    Plug(("epsilon_greedy",), lambda f: {"epsilon_greedy": chooser(f)}, ("epsilon_greedy",), agents=True),
    Plug(("returns",), lambda f: {"returns_to_go": walker(f)}, ("returns_to_go",), agents=True),
    Plug(("q_update",), lambda f: {"q_step": stepper(f)}, ("q_step",), agents=True),
    Plug(("Replay",), lambda f: {"Memory": rememberer(f)}, ("Memory",), agents=True),
    Plug(("td_targets",), lambda f: {"q_targets": aimer(f)}, ("q_targets",), agents=True),
    Plug(("policy_gradient",), lambda f: {"policy_loss": policy(f)}, ("policy_loss",), agents=True),
)
