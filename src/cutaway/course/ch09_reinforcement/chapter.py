import marimo

app = marimo.App(app_title="9 · Reinforcement learning", width="medium")


@app.cell
def _():
    from itertools import pairwise

    import marimo as mo
    import numpy as np

    from cutaway.course.ch09_reinforcement import agents, drawing, worlds
    from cutaway.course.notebook import card, figures, whose, yours

    return agents, card, drawing, figures, mo, np, pairwise, whose, worlds, yours


@app.cell
def _(mo):
    mo.md(
        r"""
        # 9 · Reinforcement learning

        Nobody says what is right. An **agent** sees a **state**, chooses an **action**, and the world answers with a new state and a **reward**.
        From rewards alone it must find out how to act, so that as much as possible comes in the long run. Two things are new: what it learns
        from depends on what it does, so it must *try*; and a reward may come long after the action that earned it.

        This chapter needs nothing else installed: its worlds are a few lines of NumPy (`course/ch09_reinforcement/worlds.py`).

        ## Slot machines

        The smallest problem: $k$ machines, one lever each; the payout of each varies about a mean that you do not know. Keep the mean of what
        each has paid, as a step towards the latest reward:

        $$Q_n = Q_{n-1} + \frac{1}{n}\,(r_n - Q_{n-1})$$

        *New is old plus step size times error*: every rule of this chapter has this form. And who always takes the best so far may never
        find out about a better one. **ε-greedy**: mostly the best, with probability ε any.
        """
    )
    return


@app.cell
def _(card, mo):
    mo.vstack([card("9.running_mean"), card("9.epsilon_greedy")])
    return


@app.cell
def _(mo):
    epsilon = mo.ui.slider(0.0, 1.0, 0.02, value=0.1, label="ε", show_value=True)
    pulls = mo.ui.slider(50, 500, 50, value=300, label="pulls", show_value=True)
    mo.hstack([epsilon, pulls], justify="start", wrap=True)
    return epsilon, pulls


@app.cell
def _(epsilon, figures, mo, np, pulls, whose, yours):
    (_mean, _a), (_choose, _b) = yours("9.running_mean"), yours("9.epsilon_greedy")
    _arms = np.array([1.2, 0.5, 2.5, 1.4, 2.0, 0.3, 0.8, 0.6, 1.8, 0.9])

    def _play(eps, n, seed):
        rng = np.random.default_rng(seed)
        q, count, got = np.zeros(10), np.zeros(10, int), []
        for _ in range(n):
            a = _choose(q, eps, *rng.random(2))
            got.append(_arms[a] + rng.normal())
            count[a] += 1
            q[a] = _mean(q[a], got[-1], count[a])
        return np.array(got), q, count

    _runs = 20
    _curve = lambda eps: np.convolve(np.mean([_play(eps, pulls.value, s)[0] for s in range(_runs)], 0), np.ones(15) / 15, "valid")
    _one = _play(epsilon.value, pulls.value, 0)
    _at = np.arange(pulls.value - 14)
    mo.vstack([figures.side_by_side([
        (f"reward, mean of {_runs} agents", figures.lines("reward", [
            figures.Curve(_at, _curve(epsilon.value), f"ε = {epsilon.value:g}", "a"), figures.Curve(_at, _curve(0.0), "ε = 0: never tries", "b"),
            figures.Curve([0, _at[-1]], [2.5, 2.5], "the best machine", "soft")], "pull", "reward", y_range=(0, 2.8))),
        ("one agent: what it thinks, and how often it pulled", figures.table(["machine", "pays (unknown to it)", "it thinks", "pulls"], [
            (str(i), f"{m:.2f}", f"{q:.2f}", str(n)) for i, (m, q, n) in enumerate(zip(_arms, *_one[1:]))])),
    ]), mo.md(f"Small ε finds the best slowly and keeps to it; large ε finds it soon and goes on trying in vain. *Played {whose(_a and _b)}.*")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## What is still to come

        When actions lead to new states, a reward now is not all. The **return** from step $t$ on is what is still to come, later rewards
        discounted by $\gamma$ a step:

        $$G_t = r_t + \gamma r_{t+1} + \gamma^2 r_{t+2} + \dots = r_t + \gamma\, G_{t+1}$$

        The **value** of a state is the return that a good agent expects there. By the same equation the value of a state is made of
        the values of the states that can follow. That is Bellman's equation, for the best of all agents:

        $$V(s) = \max_a \Big[\, R(s, a) + \gamma \sum_{s'} P(s' \mid s, a)\, V(s') \Big]$$

        If the world's tables $P$ and $R$ are known, start with zeros and put the right side in for the left, again and again:
        **value iteration**. Each sweep carries the news of the goal one step further.
        """
    )
    return


@app.cell
def _(card, mo):
    mo.vstack([card("9.returns"), card("9.value_iteration")])
    return


@app.cell
def _(mo):
    sweeps = mo.ui.slider(0, 20, 1, value=4, label="sweeps", show_value=True)
    slip = mo.ui.slider(0.0, 0.6, 0.1, value=0.0, label="slippery", show_value=True)
    gamma = mo.ui.slider(0.5, 1.0, 0.05, value=0.95, label="γ", show_value=True)
    mo.hstack([sweeps, slip, gamma], justify="start", wrap=True)
    return gamma, slip, sweeps


@app.cell
def _(drawing, figures, gamma, mo, np, pairwise, slip, sweeps, whose, worlds, yours):
    _iterate, _passed = yours("9.value_iteration")
    world = worlds.grid(slip.value)
    _v = [_iterate(world.P, world.R, world.terminal, gamma.value, n) for n in range(21)]
    _q = world.R + gamma.value * world.P @ _v[sweeps.value]
    best_values = _v[20]
    _change = [float(np.abs(b - a).max()) for a, b in pairwise(_v)]
    mo.vstack([figures.side_by_side([
        (f"values after {sweeps.value} sweeps, and the best actions by them", drawing.field(world, _v[sweeps.value], _q)),
        ("largest change of a value in each sweep", figures.lines("change", [
            figures.Curve(np.arange(1, 21), np.maximum(_change, 1e-6), "", "a"),
            figures.Curve([max(1, sweeps.value)], [max(_change[max(0, sweeps.value - 1)], 1e-6)], "", "b", dots=True)], "sweep", "change", log=True)),
    ]), mo.md(f"Each step costs 0.04, the goal gives 1, the pit takes 1. Make it slippery, and the best way keeps away from the pit. *Computed {whose(_passed)}.*")])
    return best_values, world


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Without a map

        Mostly $P$ and $R$ are not known. **Q-learning** (Watkins 1989) keeps a value for each state *and action*, walks about, and after each step
        moves one number towards what the step has shown:

        $$Q(s, a) \leftarrow Q(s, a) + \alpha \big[\, \underbrace{r + \gamma \max_{a'} Q(s', a')}_{\text{TD target}} - Q(s, a) \big]$$

        The target is a reward that has really come, plus one's own estimate of the rest; the bracket is the *temporal difference* (TD) error.
        It learns about the best way even while it tries others.
        """
    )
    return


@app.cell
def _(card):
    card("9.q_update")
    return


@app.cell
def _(mo):
    episodes = mo.ui.slider(0, 300, 5, value=60, label="episodes walked", show_value=True)
    alpha = mo.ui.slider(0.1, 1.0, 0.1, value=0.5, label="α", show_value=True)
    walk = mo.ui.slider(0, 24, 1, value=2, label="step of the next episode", show_value=True)
    mo.hstack([episodes, alpha, walk], justify="start", wrap=True)
    return alpha, episodes, walk


@app.cell
def _(alpha, best_values, drawing, episodes, figures, gamma, mo, np, walk, whose, world, worlds, yours):
    (_update, _a), (_choose, _b) = yours("9.q_update"), yours("9.epsilon_greedy")
    _rng = np.random.default_rng(3)
    _q, _totals = np.zeros(world.R.shape), []

    def _episode(q, learn):
        s, total, seen = world.start, 0.0, []
        for _ in range(60):
            a = _choose(q[s], 0.2, *_rng.random(2))
            s2 = int(_rng.choice(len(q), p=world.P[s, a]))
            r = -0.04 + {"G": 1.0, "P": -1.0}.get(worlds.MAP[s2 // 5][s2 % 5], 0.0)
            done = bool(world.terminal[s2])
            new = _update(q, s, a, r, s2, done, alpha.value, gamma.value)
            seen.append((s, a, r, s2, done, q, new))
            q, s, total = new, s2, total + r
            if done:
                break
        return q, total, seen

    for _ in range(episodes.value):
        _q, _total, _ = _episode(_q, True)
        _totals.append(_total)
    _, _, _seen = _episode(_q, True)
    _i = min(walk.value, len(_seen) - 1)
    _s, _act, _r, _s2, _done, _before, _after = _seen[_i]
    _target = _r + (0 if _done else gamma.value * _before[_s2].max())
    _line = figures.lines("totals", [figures.Curve(range(len(_totals)), _totals, "sum of rewards", "a", dots=True)], "episode", "total") if len(_totals) > 1 else ""
    mo.vstack([figures.side_by_side([
        (f"Q after {episodes.value} episodes; the framed place is where step {_i} begins", drawing.field(world, np.where(world.terminal, 0, _before.max(1)), _before, _s)),
        ("each episode", _line),
    ]), figures.table(["step", "did", "reward", "best Q there", "target", "Q before", "error", "Q after"], [
        (f"{_i} of {len(_seen)}", worlds.ACTIONS[_act], f"{_r:+.2f}", "0 (the end)" if _done else f"{_before[_s2].max():.3f}",
         f"{_r:+.2f} + {gamma.value:g} · {0 if _done else _before[_s2].max():.3f} = {_target:.3f}", f"{_before[_s, _act]:.3f}",
         f"{_target - _before[_s, _act]:+.3f}", f"{_after[_s, _act]:.3f}")]),
        mo.md(f"The start is worth {_before[world.start].max():.2f} by now; with the map known, value iteration said {best_values[world.start]:.2f}. *Learned {whose(_a and _b)}.*")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## A network instead of a table

        A pole on a cart: four numbers say where it is, and no two states are ever the same. A table is no use, a network is: states in, a
        value for each action out. **DQN** (Mnih and others, 2015) moves it by gradient descent towards the same TD target,

        $$L = \big(Q_w(s, a) - y\big)^2, \qquad y = r + \gamma \max_{a'} Q_{w^-}(s', a'),$$

        and two tricks hold it together. **Replay**: steps that follow one another are alike, and a network that learns from them alone forgets the
        rest; so remember many and draw from them by chance. **Target network**: $y$ comes from the network that is being moved, and the
        chase never ends; so take it from a copy, $w^-$, that is renewed only now and then. Take either away below, and look.
        """
    )
    return


@app.cell
def _(card, mo):
    mo.vstack([card("9.Replay"), card("9.td_targets")])
    return


@app.cell
def _(mo):
    iterations = mo.ui.slider(250, 4000, 250, value=3000, label="steps of learning", show_value=True)
    replay = mo.ui.checkbox(value=True, label="replay")
    frozen = mo.ui.checkbox(value=True, label="target network")
    chance = mo.ui.slider(0, 5, 1, value=0, label="seed", show_value=True)
    mo.hstack([iterations, replay, frozen, chance], justify="start", wrap=True)
    return chance, frozen, iterations, replay


@app.cell
def _(agents, chance, frozen, iterations, replay, yours):
    _names = ("epsilon_greedy", "Replay", "td_targets")
    _parts = [yours(f"9.{n}") for n in _names]
    dqn_passed = all(p for _, p in _parts)
    agent = agents.dqn(*(f for f, _ in _parts), iterations.value, replay=replay.value, frozen=frozen.value, seed=chance.value)
    return agent, dqn_passed


@app.cell
def _(agent, dqn_passed, figures, mo, np, whose):
    _lengths = np.array(agent["lengths"])
    _mean = np.convolve(_lengths[:, 1], np.ones(10) / 10, "valid") if len(_lengths) > 10 else _lengths[:, 1]
    mo.vstack([figures.lines("lengths", [
        figures.Curve(_lengths[:, 0], _lengths[:, 1], "each episode", "soft", dots=True),
        figures.Curve(_lengths[-len(_mean) :, 0], _mean, "mean of ten", "a")], "steps of learning", "steps the pole stood", y_range=(0, 205)),
        mo.md(f"An episode ends after 200 steps at the latest; early ones are short because the agent tries (ε falls from 1 to 0.05). *Learned {whose(dqn_passed)}.*")])
    return


@app.cell
def _(mo):
    begin = mo.ui.slider(0, 9, 1, value=0, label="episode", show_value=True)
    moment = mo.ui.slider(0, 199, 1, value=20, label="step", show_value=True)
    mo.vstack([mo.md("Go through an episode of what it has learned, step by step: the state, the two values, and the arithmetic of the target."),
               mo.hstack([begin, moment], justify="start", wrap=True)])
    return begin, moment


@app.cell
def _(agent, agents, begin, drawing, figures, mo, moment, np, yours):
    _targets, _ = yours("9.td_targets")
    _states, _actions = agents.episode(agent["q"], begin.value)
    _i = min(moment.value, len(_actions) - 1)
    _q, _next = agent["q"](_states[:-1]), agent["target"](_states[1:])
    _last = _states[-1]
    _fell = abs(_last[0]) > 2.4 or abs(_last[2]) > 12 * np.pi / 180
    _done = np.zeros(len(_actions))
    _done[-1] = float(_fell)
    _y = _targets(np.ones(len(_actions)), _next, _done, agents.GAMMA)
    _mine = _q[np.arange(len(_actions)), _actions]
    _rest = "0, it fell" if _done[_i] else f"{agents.GAMMA} · {_next[_i].max():.2f}"
    _at = np.arange(len(_actions))
    mo.vstack([figures.side_by_side([
        (f"step {_i} of {len(_actions)}: {'it fell at the end' if _fell else 'it stood to the end'}", drawing.cart(_states[_i], int(_actions[_i]))),
        ("Q: what it expects still to come", figures.bars("q", ["push left", "push right"], [max(0.0, float(v)) for v in _q[_i]])),
    ]), figures.table(["reward", "+ γ max Q of the next state", "= target", "Q(s, a)", "TD error"], [
        ("1", _rest, f"{_y[_i]:.2f}", f"{_mine[_i]:.2f}", f"{_y[_i] - _mine[_i]:+.2f}")]),
        figures.side_by_side([
            ("values along the episode", figures.lines("values", [
                figures.Curve(_at, _q[:, 0], "push left", "a"), figures.Curve(_at, _q[:, 1], "push right", "b"), figures.Curve(_at, _y, "target", "soft"),
                figures.Curve([_i], [_mine[_i]], "", "c", dots=True)], "step", "Q")),
            ("how much better a push to the right is", figures.lines("difference", [
                figures.Curve(_at, _q[:, 1] - _q[:, 0], "Q(right) - Q(left)", "b"),
                figures.Curve([_i], [_q[_i, 1] - _q[_i, 0]], "", "c", dots=True)], "step", "Q")),
            ("the pole", figures.lines("angle", [figures.Curve(np.arange(len(_states)), np.degrees(_states[:, 2]), "angle (°)", "c"),
                figures.Curve(np.arange(len(_states)), 10 * _states[:, 0], "place (dm)", "d"), figures.Curve([_i], [np.degrees(_states[_i, 2])], "", "b", dots=True)],
                "step", "", y_range=(-26, 26))),
        ]), mo.md(f"With γ = {agents.GAMMA} and a reward of 1 a step, a pole that never falls is worth 1 / (1 - γ) = {1 / (1 - agents.GAMMA):.0f}. "
                  "Where the two values part, a push matters; where they are the same, either will do.")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## The policy itself

        Values are a detour. One can let the network give probabilities of the actions, the **policy** $\pi$, and ask for the gradient of what is
        expected to come. It needs no model of the world (Williams 1992):

        $$\nabla\, \mathbb{E}[G] = \mathbb{E}\big[\,\nabla \log \pi(a \mid s)\; A\,\big], \qquad A = G - \text{what was to be expected}$$

        Play; make each action that turned out better than expected more probable, each that turned out worse less. As a loss it is
        cross-entropy with the actions as labels, weighted by the **advantage** $A$; so is its gradient. Here $A$ is the return less the mean of all.
        """
    )
    return


@app.cell
def _(card):
    card("9.policy_gradient")
    return


@app.cell
def _(mo):
    updates = mo.ui.slider(2, 60, 2, value=10, label="updates, of 16 episodes each", show_value=True)
    luck = mo.ui.slider(0, 5, 1, value=0, label="seed", show_value=True)
    mo.hstack([updates, luck], justify="start", wrap=True)
    return luck, updates


@app.cell
def _(agents, drawing, figures, luck, mo, np, updates, whose, yours):
    (_returns, _a), (_gradient, _b) = yours("9.returns"), yours("9.policy_gradient")
    _found = agents.reinforce(_returns, _gradient, updates.value, luck.value)
    _angle, _turning = np.meshgrid(np.linspace(-0.2, 0.2, 41), np.linspace(1.5, -1.5, 41))
    _places = np.stack([np.zeros(1681), np.zeros(1681), _angle.ravel(), _turning.ravel()], 1)
    _z = _found["logits"](_places)
    _right = (1 / (1 + np.exp(np.clip(_z[:, 0] - _z[:, 1], -50, 50)))).reshape(41, 41)
    _states, _actions = agents.episode(_found["logits"], 1)
    mo.vstack([figures.side_by_side([
        (f"after {updates.value} updates: {_found['means'][-1]:.0f} steps", figures.lines("means", [
            figures.Curve(np.arange(len(_found["means"])), _found["means"], "mean of 16 episodes", "a")], "update", "steps the pole stood", y_range=(0, 205))),
        ("probability of a push to the right: pole's angle → , its turning ↑", figures.picture(2 * _right - 1, signed=True, size=240)),
        (f"its greedy policy: {len(_actions)} steps; here the last", drawing.cart(_states[-1])),
    ]), mo.md(f"Orange: right, blue: left. It has found that what counts is where the pole will be, angle and turning together. *Learned {whose(_a and _b)}.*")])
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## The library's agent, with your parts

        `cutaway.rl` has DQN whole: the same memory, targets and choices, and what was found since (Double, several rewards summed up, a
        target network that follows slowly). Its places for these are open to you: what you have passed of `epsilon_greedy`, `Replay` and
        `td_targets` (and for other agents `returns`, `q_update`, `policy_gradient`) is put in by

        ```
        cutaway rl train dqn --env CartPole-v1 --mine
        ```

        and `cutaway rl watch RUN` makes the page below of a run. `running_mean` and `value_iteration` have no such place: the library's
        bandits run many machines at once, and its planning works on other tables. Here is a short run (a full one has 50,000 steps).
        """
    )
    return


@app.cell
def _(agents, mo):
    budget = mo.ui.slider(1000, 20000, 1000, value=4000, label="steps", show_value=True)
    draw_of = mo.ui.slider(0, 5, 1, value=0, label="seed", show_value=True)
    train = mo.ui.run_button(label=f"train it in {agents.ENVIRONMENT} (half a minute)")
    mo.hstack([train, budget, draw_of], justify="start", wrap=True)
    return budget, draw_of, train


@app.cell
def _(agents, budget, draw_of, figures, mo, np, train, yours):
    from cutaway.course.ch09_reinforcement import check
    from cutaway.rl import watch

    def _report():
        answers = {plug: [yours(f"9.{n}") for n in plug.names] for plug in check.PLUGS if plug.parts[0] in ("epsilon_greedy", "Memory", "q_targets")}
        own = [plug for plug, found in answers.items() if all(passed for _, passed in found)]
        parts: dict[str, object] = {}
        for plug in own:
            parts |= plug.make(*(f for f, _ in answers[plug]))
        with mo.status.progress_bar(total=100, title="training", remove_on_exit=True) as bar:
            done = [0]

            def tell(share):
                if int(100 * share) > done[0]:
                    bar.update(int(100 * share) - done[0])
                    done[0] = int(100 * share)

            agent = agents.of_the_library(parts, budget.value, draw_of.value, tell)
        totals = np.array([e.total for e in agent.episodes])
        mean = np.convolve(totals, np.ones(10) / 10, "valid") if len(totals) > 10 else totals
        whose_parts = "your " + ", ".join(plug.names[0] for plug in own) if own else "the library's own parts; what you pass takes their place"
        return mo.vstack([
            figures.lines("returns", [
                figures.Curve([e.at for e in agent.episodes], totals, "each episode", "soft", dots=True),
                figures.Curve([e.at for e in agent.episodes][-len(mean):], mean, "mean of ten", "a")], "environment steps", "sum of rewards"),
            mo.md(f"*With {whose_parts}.* Below, what it does without trying: go through an episode with ← and →, or let it play."),
            figures.frame(watch.shown(agent, 2), 620)])

    _report() if train.value else mo.md("*Press the button; the page of its episodes appears here.*")
    return


@app.cell
def _(mo):
    mo.md(
        r"""
        ## Further

        DQN learned to play dozens of Atari games from pixels, with the convolutional network of chapter 7 in place of this small one. Policy
        gradients with a learned value as the base (actor and critic) and small, careful steps (PPO) move robots, and make language models
        say what people prefer.

        *Next: chapter 10, sequences and attention.*
        """
    )
    return


if __name__ == "__main__":
    app.run()
