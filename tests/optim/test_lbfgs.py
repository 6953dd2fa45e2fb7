"""LBFGS goes PyTorch's way, with and without line search, and finds the minimum of Rosenbrock's valley."""

import numpy as np
import pytest

import cutaway
from cutaway import optim
from cutaway.core.errors import ArgumentError, ArgumentTypeError, CutawayError
from cutaway.optim.lbfgs import direction
from cutaway.optim.line_search import Point, strong_wolfe


def rosenbrock(x, y):
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def quadratic(x, y):
    return 3 * x * x + 2 * x * y + y * y - x


def quartic(x, y):
    return (x - 3) ** 4 + (x * y - 1) ** 2


def ripples(x, y):
    return (3 * x).sin() + (2 * y + x).cos() + 0.1 * (x * x + y * y)


def problem(library, f, start, dtype="float64", **options):
    x, y = (library.tensor(v, dtype=getattr(library, dtype), requires_grad=True) for v in start)
    optimiser = library.optim.LBFGS([x, y], **options)
    losses = []

    def closure():
        optimiser.zero_grad()
        loss = f(x, y)
        loss.backward()
        losses.append(loss.item())
        return loss

    return x, y, optimiser, closure, losses


@pytest.mark.parametrize("f", [rosenbrock, quadratic, quartic, ripples])
@pytest.mark.parametrize(
    "options",
    [
        {"line_search_fn": "strong_wolfe"},
        {"line_search_fn": "strong_wolfe", "lr": 0.3, "history_size": 2, "max_iter": 5},
        {"line_search_fn": "strong_wolfe", "max_eval": 7},
        {"lr": 0.01},
        {"lr": 0.02, "history_size": 3, "max_iter": 4},
        {"line_search_fn": "strong_wolfe", "tolerance_grad": 0.1},
        {"line_search_fn": "strong_wolfe", "tolerance_change": 1e-3},
    ],
)
def test_same_way_as_pytorch(f, options):
    torch = pytest.importorskip("torch")
    a, b = (problem(library, f, (-1.2, 1.0), **options) for library in (cutaway, torch))
    for _ in range(4):
        first = a[2].step(a[3]), b[2].step(b[3])
        np.testing.assert_allclose(first[0].item(), first[1].item(), rtol=1e-6, atol=1e-9)
    assert len(a[4]) == len(b[4])  # as many losses were computed
    np.testing.assert_allclose(a[4], b[4], rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose([a[0].item(), a[1].item()], [b[0].item(), b[1].item()], rtol=1e-6, atol=1e-8)
    ours, theirs = a[2].state_dict()["state"][0], b[2].state_dict()["state"][0]
    for name in ("n_iter", "func_evals"):
        assert ours[name] == theirs[name]
    assert len(ours["old_dirs"]) == len(theirs["old_dirs"]) <= a[2].param_groups[0]["history_size"]


def test_rosenbrock():
    x, y, optimiser, closure, losses = problem(
        cutaway, rosenbrock, (-1.2, 1.0), line_search_fn="strong_wolfe", max_iter=100, tolerance_change=1e-14
    )
    optimiser.step(closure)
    assert abs(x.item() - 1) < 1e-6 and abs(y.item() - 1) < 1e-6
    assert losses[0] == pytest.approx(24.2) and losses[-1] < 1e-12
    assert len(losses) < 60


def test_single_precision_and_layers():
    torch = pytest.importorskip("torch")
    rng = np.random.RandomState(0)
    X, T = rng.randn(30, 4).astype(np.float32), rng.randn(30, 2).astype(np.float32)
    W, v = rng.randn(4, 2).astype(np.float32), rng.randn(2).astype(np.float32)
    lowest = []
    for library in (cutaway, torch):
        w, b, unused = (library.tensor(m, requires_grad=True) for m in (W, v, v))
        optimiser = library.optim.LBFGS([w, b, unused], max_iter=10, line_search_fn="strong_wolfe")

        def closure(w=w, b=b, optimiser=optimiser, library=library):
            optimiser.zero_grad()
            loss = ((library.tensor(X) @ w + b - library.tensor(T)) ** 2).mean()
            loss.backward()
            return loss

        for _ in range(3):
            optimiser.step(closure)
        lowest.append((closure().item(), w.detach().numpy(), b.detach().numpy(), unused.detach().numpy()))
    for ours, theirs in zip(*lowest):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
    design = np.hstack([X, np.ones((30, 1), np.float32)])
    best = np.linalg.lstsq(design, T, rcond=None)[0]
    np.testing.assert_allclose(lowest[0][1], best[:4], atol=1e-3)


@pytest.mark.parametrize("from_torch", [False, True])
def test_saved_in_the_middle_it_goes_on(from_torch):
    library = pytest.importorskip("torch") if from_torch else cutaway
    options = {"line_search_fn": "strong_wolfe", "max_iter": 6}
    a = problem(library, rosenbrock, (-1.2, 1.0), **options)
    a[2].step(a[3])
    b = problem(cutaway, rosenbrock, (a[0].item(), a[1].item()), **options)
    b[2].load_state_dict(a[2].state_dict())
    a[2].step(a[3]), b[2].step(b[3])
    np.testing.assert_allclose([b[0].item(), b[1].item()], [a[0].item(), a[1].item()], rtol=1e-9)


def test_direction_is_newtons_when_the_pairs_span_the_space():
    rng = np.random.RandomState(1)
    A = rng.randn(4, 4)
    H = A @ A.T + np.eye(4)
    g = rng.randn(4)
    basis = [np.eye(4)[i] for i in range(4)]
    conjugate = []
    for e in basis:  # directions that do not see one another through H
        for s in conjugate:
            e = e - (s @ H @ e) / (s @ H @ s) * s
        conjugate.append(e)
    pairs = [(H @ s, s, 1 / (s @ H @ s)) for s in conjugate]
    np.testing.assert_allclose(direction(g, pairs, scale=0.37), -np.linalg.solve(H, g), rtol=1e-9)


@pytest.mark.parametrize("t", [0.01, 0.5, 1.0, 10.0, 300.0])
def test_the_step_satisfies_the_strong_wolfe_conditions(t):
    def f(s):
        return (s - 2) ** 2 + np.sin(3 * s)

    def slope(s):
        return 2 * (s - 2) + 3 * np.cos(3 * s)

    trials = []

    def at(s):
        trials.append(s)
        return Point(s, f(s), np.array([slope(s)]), slope(s))

    start = Point(0.0, f(0.0), np.array([slope(0.0)]), slope(0.0))
    assert start.slope < 0
    found, used = strong_wolfe(at, start, t, reach=1.0)
    assert found.f <= start.f + 1e-4 * found.t * start.slope
    assert abs(found.slope) <= 0.9 * abs(start.slope)
    assert used == len(trials) <= 26


def test_nothing_moves_at_a_minimum():
    x, y, optimiser, closure, losses = problem(cutaway, rosenbrock, (1.0, 1.0))
    assert optimiser.step(closure).item() == 0.0
    assert (x.item(), y.item(), len(losses)) == (1.0, 1.0, 1)


def test_a_saved_value_that_the_step_overwrote_is_refused():
    x, _, optimiser, closure, _ = problem(cutaway, quadratic, (1.0, 1.0))
    loss = (x * x).sum()
    optimiser.step(closure)
    with pytest.raises(RuntimeError, match="overwritten"):
        loss.backward()


def leaf():
    return cutaway.zeros(2, requires_grad=True)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: optim.LBFGS([leaf()]).step(), ArgumentTypeError, "closure"),
        (lambda: optim.LBFGS([leaf()]).step(lambda: None), ArgumentTypeError, "return loss"),
        (lambda: optim.LBFGS([leaf()], lr=0), ArgumentError, "lr=0"),
        (lambda: optim.LBFGS([leaf()], history_size=0), ArgumentError, "history_size=0"),
        (lambda: optim.LBFGS([leaf()], line_search_fn="armijo"), ArgumentError, "'armijo'"),
        (lambda: optim.LBFGS([{"params": [leaf()]}, {"params": [leaf()]}]), ArgumentError, "one group"),
    ],
)
def test_bad_calls(call, error, text):
    with pytest.raises(error, match=text) as caught:
        call()
    assert isinstance(caught.value, CutawayError)
