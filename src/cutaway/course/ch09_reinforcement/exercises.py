"""Chapter 9, Reinforcement learning: averages, choices, values, targets, and the gradient of a policy.

Write each function or class whose body is `raise NotImplementedError`, and judge it with `cutaway check 9.NAME`.
The functions that end in _spec say what is right, slowly and obviously. Your answer need not look like them.
"""

import numpy as np


def running_mean_spec(old, reward, n):
    return (old * (n - 1) + reward) / n


def running_mean(old: float, reward: float, n: int) -> float:
    """The mean of n rewards, from the mean `old` of the first n - 1 and the last one, as a step from old towards it.

    Write it as old + step size times error: with another step size the same line is all later learning of this chapter.
    """
    raise NotImplementedError


def epsilon_greedy_spec(q, epsilon, u, v):
    if u < epsilon:
        return int(v * len(q))
    best = 0
    for a in range(len(q)):
        if q[a] > q[best]:
            best = a
    return best


def epsilon_greedy(q: np.ndarray, epsilon: float, u: float, v: float) -> int:
    """Which action to take, by the values q[A] of all.  u and v are drawn from [0, 1).

    With probability epsilon (if u < epsilon) any action, all alike: the one on whose piece of [0, 1) v lies. Else the best,
    the first of them if several are.
    """
    raise NotImplementedError


def returns_spec(rewards, gamma):
    out = np.zeros(len(rewards))
    for t in range(len(rewards)):
        for k in range(t, len(rewards)):
            out[t] += gamma ** (k - t) * rewards[k]
    return out


def returns(rewards: np.ndarray, gamma: float) -> np.ndarray:
    """What is still to come, from each step on: G[t] = r[t] + gamma r[t+1] + gamma^2 r[t+2] + ...  rewards[T] -> G[T].

    In one walk from the end: each G is made of the one behind it.
    """
    raise NotImplementedError


def value_iteration_spec(p, r, terminal, gamma, sweeps):
    values = [0.0] * len(r)
    for _ in range(sweeps):
        new = []
        for s in range(len(r)):
            best = -np.inf
            for a in range(r.shape[1]):
                total = r[s, a]
                for s2 in range(len(r)):
                    total += gamma * p[s, a, s2] * values[s2]
                best = max(best, total)
            new.append(0.0 if terminal[s] else best)
        values = new
    return np.array(values)


def value_iteration(p: np.ndarray, r: np.ndarray, terminal: np.ndarray, gamma: float, sweeps: int) -> np.ndarray:
    """What each state is worth: `sweeps` times V(s) <- max over a of R(s, a) + gamma sum over s' of P(s, a, s') V(s').

    p[S, A, S] probabilities, r[S, A] expected rewards, terminal[S] bool: states in which nothing follows, worth 0.
    Begin with zeros; in each sweep all states are computed from the values of the sweep before.
    """
    raise NotImplementedError


def q_update_spec(q, s, a, reward, s2, done, rate, gamma):
    best = q[s2][0]
    for value in q[s2]:
        best = max(best, value)
    target = reward if done else reward + gamma * best
    new = q.copy()
    new[s][a] = q[s][a] + rate * (target - q[s][a])
    return new


def q_update(
    q: np.ndarray, s: int, a: int, reward: float, s2: int, done: bool, rate: float, gamma: float
) -> np.ndarray:
    """Q-learning: the table q[S, A] after action a in state s gave a reward and led to s2.  Gives a new table.

    q[s, a] goes by `rate` towards the target, reward + gamma times the best of q[s2]; if the episode is done, no more than
    the reward follows.
    """
    raise NotImplementedError


class Replay:
    """The last `size` things that were added: Replay(size).

    add(x) remembers x, and forgets the oldest if there are more than `size`. len() says how many there are.
    sample(count, rng) gives a list of `count`, each drawn from all alike by the NumPy generator rng; a thing may be drawn
    more than once. Adding should not take longer when it is full.
    """

    def __init__(self, size: int) -> None:
        raise NotImplementedError

    def add(self, x) -> None:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def sample(self, count: int, rng: np.random.Generator) -> list:
        raise NotImplementedError


def td_targets_spec(rewards, q_next, done, gamma):
    out = np.zeros(len(rewards))
    for n in range(len(rewards)):
        best = q_next[n][0]
        for value in q_next[n]:
            best = max(best, value)
        out[n] = rewards[n] + (0.0 if done[n] else gamma * best)
    return out


def td_targets(rewards: np.ndarray, q_next: np.ndarray, done: np.ndarray, gamma: float) -> np.ndarray:
    """What a network should have said for N steps: reward + gamma max q_next, but the reward alone where it was done.

    rewards[N], q_next[N, A] what the target network says in the next states, done[N] 0 or 1 -> [N].
    """
    raise NotImplementedError


def policy_loss_spec(logits, actions, advantages):
    total = 0.0
    for n in range(len(logits)):
        shares = np.exp(logits[n] - max(logits[n]))
        shares = shares / shares.sum()
        total -= np.log(shares[actions[n]]) * advantages[n]
    return total / len(logits)


def policy_gradient(logits: np.ndarray, actions: np.ndarray, advantages: np.ndarray) -> np.ndarray:
    """The gradient of -mean(log p(action) advantage) towards the logits; p is their softmax.  logits[N, A] -> [N, A].

    actions[N] int are those that were taken, advantages[N] how much better they turned out than expected. As for
    cross-entropy: softmax less one-hot, times the advantage, divided by N.
    """
    raise NotImplementedError
