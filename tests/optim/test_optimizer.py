"""What all optimisers share: groups, the step in place, checkpoints, and refusals that say what to write."""

import copy
import io
import pickle

import numpy as np
import pytest

import cutaway
from cutaway import optim
from cutaway.core.errors import (
    ArgumentError,
    ArgumentTypeError,
    CutawayError,
    NotWritten,
    StateError,
)

NAMES = ["SGD", "Momentum", "Nesterov", "Adagrad", "RMSprop", "Adadelta", "Adam", "AdamW", "NAdam", "RAdam"]


def leaf(*shape, dtype=None, value=1.0):
    return cutaway.full(shape, value, dtype=dtype or cutaway.float32, requires_grad=True)


def with_gradient(*shape, dtype=None):
    p = leaf(*shape, dtype=dtype)
    p.grad = cutaway.ones(*shape, dtype=dtype or cutaway.float32)
    return p


# --- the step ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_learns(name):
    """Fit y = 2 x + 1."""
    x = cutaway.linspace(-1, 1, 20)
    w, b = cutaway.zeros(1, requires_grad=True), cutaway.zeros(1, requires_grad=True)
    lr = {"Adadelta": 30.0, "SGD": 0.3, "Momentum": 0.1, "Nesterov": 0.1}.get(name, 0.1)
    optimiser = getattr(optim, name)([w, b], lr=lr, **({"weight_decay": 0.0} if name == "AdamW" else {}))
    for _ in range(200):
        optimiser.zero_grad()
        loss = ((w * x + b - (2 * x + 1)) ** 2).mean()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.04  # 2.47 at first


@pytest.mark.parametrize("name", NAMES)
def test_writes_into_the_memory_that_is_there(name):
    p = with_gradient(3, 2)
    view, memory = p.detach()[1], p._data
    optimiser = getattr(optim, name)([p], lr=0.5)
    optimiser.step()
    held = {k: v._data for k, v in optimiser.state[p].items()}
    before = {k: v.copy() for k, v in held.items()}
    version = p._version
    p.grad = 2 * p.grad
    optimiser.step()
    assert p._data is memory and (view.numpy() == memory[1]).all() and (view.numpy() < 1).all()
    assert p._version == version + 1 and p.is_leaf and p.requires_grad
    assert p.grad.tolist() == [[2, 2]] * 3  # the gradient is only read
    for k, v in held.items():
        assert optimiser.state[p][k]._data is v
        assert not np.array_equal(v, before[k])
        assert not optimiser.state[p][k].requires_grad


def test_backward_refuses_values_from_before_the_step():
    p = with_gradient(2)
    loss = (p * p).sum()
    optim.SGD([p]).step()
    with pytest.raises(RuntimeError, match="overwritten"):
        loss.backward()


def test_parameters_without_a_gradient_stay():
    p, q = with_gradient(2), leaf(2)
    optimiser = optim.Adam([p, q], lr=0.1, weight_decay=0.1)
    optimiser.step()
    assert q.tolist() == [1, 1] and p.tolist() != [1, 1]
    assert list(optimiser.state_dict()["state"]) == [0]


def test_closure_is_run_with_gradients_and_its_value_comes_back():
    p = leaf(1, value=3.0)
    optimiser = optim.SGD([p], lr=0.1)

    def closure():
        optimiser.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with cutaway.no_grad():
        loss = optimiser.step(closure)
    assert loss.item() == 9.0
    assert p.item() == pytest.approx(2.4)
    assert optimiser.step() is None


def test_zero_grad():
    p, q = with_gradient(2), leaf(2)
    optimiser = optim.SGD([p, q])
    optimiser.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0, 0] and q.grad is None
    optimiser.zero_grad()
    assert p.grad is None


@pytest.mark.parametrize("number", [np.float64(0.25), np.float32(0.25), cutaway.tensor(0.25), np.array(0.25)[()]])
def test_hyper_parameters_of_other_libraries_do_not_change_the_dtype(number):
    p, q = with_gradient(3), with_gradient(3)
    a, b = optim.Adam([p], lr=number, weight_decay=number), optim.Adam([q], lr=0.25, weight_decay=0.25)
    for _ in range(3):
        a.step(), b.step()
    assert p.dtype is cutaway.float32 and a.state[p]["exp_avg"].dtype is cutaway.float32
    assert np.array_equal(p.detach().numpy(), q.detach().numpy())


@pytest.mark.parametrize("name", NAMES)
def test_half_precision(name):
    p = with_gradient(5, dtype=cutaway.float16)
    optimiser = getattr(optim, name)([p], lr=0.1, **({} if name in ("SGD", "Momentum", "Nesterov") else {"eps": 1e-3}))
    for _ in range(3):
        optimiser.step()
    assert p.dtype is cutaway.float16 and np.isfinite(p.detach().numpy()).all() and (p.detach().numpy() < 1).all()


def test_a_rate_that_is_changed_is_used():
    p = with_gradient(1)
    optimiser = optim.SGD([p], lr=1.0)
    optimiser.step()
    optimiser.param_groups[0]["lr"] = 10.0
    optimiser.step()
    assert p.item() == -10.0


def test_infinite_gradients_pass_without_a_warning():
    p = leaf(2)
    p.grad = cutaway.tensor([float("inf"), float("nan")])
    optim.Adam([p]).step()
    assert np.isnan(p.detach().numpy()).all()


def test_implementation_options_of_pytorch_make_no_difference():
    p, q = with_gradient(3), with_gradient(3)
    optim.Adam([p], foreach=True, fused=None, capturable=False, differentiable=False).step()
    optim.Adam([q]).step()
    assert p.tolist() == q.tolist()


# --- own rules --------------------------------------------------------------------------------------------------------


class Sign(optim.Optimizer):
    def __init__(self, params, lr=0.25):
        super().__init__(params, {"lr": lr})

    def update(self, p, g, s, t, h):
        return p - h["lr"] * np.sign(g), s


class Clipped(optim.Optimizer):
    """Not recordable: it asks the values, and remembers a count it invents later."""

    counts = False

    def __init__(self, params):
        super().__init__(params, {"lr": 1.0})

    def update(self, p, g, s, t, h):
        g = np.where(abs(g) > 1, np.sign(g), g)
        return p - h["lr"] * g, {"seen": s["seen"] + 1 if "seen" in s else 0 * g}


class Cooling(optim.Optimizer):
    """Remembers one number for each parameter."""

    scalars = ("heat",)

    def __init__(self, params, recordable=True):
        super().__init__(params, {"lr": 1.0})
        self.recordable = recordable

    def start(self, h):
        return {"heat": 1.0}

    def update(self, p, g, s, t, h):
        if not self.recordable:
            g = np.where(g > 0, g, g)
        heat = s["heat"] / 2
        return p - heat * g, {"heat": heat}


def test_own_rule():
    p = leaf(3, value=0.0)
    p.grad = cutaway.tensor([5.0, -2.0, 0.0])
    optimiser = Sign([p])
    optimiser.step(), optimiser.step()
    assert p.tolist() == [-0.5, 0.5, 0.0]
    assert optimiser.state[p]["step"].item() == 2


def test_own_rule_that_cannot_be_recorded():
    p = leaf(3, value=0.0)
    p.grad = cutaway.tensor([5.0, -0.5, 0.0])
    optimiser = Clipped([p])
    for _ in range(3):
        optimiser.step()
    assert p.tolist() == [-3.0, 1.5, 0.0]
    assert optimiser.state[p]["seen"].tolist() == [2, 2, 2]


@pytest.mark.parametrize("recordable", [True, False])
def test_own_rule_with_a_number(recordable):
    p, q = with_gradient(2), with_gradient(3)
    optimiser = Cooling([p, q], recordable)
    optimiser.step(), optimiser.step()
    assert p.tolist() == [0.25] * 2 and q.tolist() == [0.25] * 3
    assert optimiser.state[q]["heat"].item() == 0.25 and optimiser.state[q]["heat"].shape == ()


def test_a_rule_must_be_written():
    with pytest.raises(NotWritten, match="update"):
        optim.Optimizer([with_gradient(1)], {"lr": 1.0}).step()


# --- groups -----------------------------------------------------------------------------------------------------------


def test_groups_take_defaults_and_are_not_the_users_dicts():
    mine = {"params": [leaf(1)], "lr": 0.5}
    optimiser = optim.SGD([mine, {"params": leaf(2)}], lr=0.1, momentum=0.9)
    assert [(g["lr"], g["momentum"]) for g in optimiser.param_groups] == [(0.5, 0.9), (0.1, 0.9)]
    assert list(mine) == ["params", "lr"]
    assert optimiser.defaults["lr"] == 0.1


def test_named_parameters():
    w, b = leaf(2), leaf(1)
    optimiser = optim.SGD(iter([("layer.weight", w), ("layer.bias", b)]))
    assert optimiser.param_groups[0]["param_names"] == ["layer.weight", "layer.bias"]
    assert optimiser.param_groups[0]["params"] == [w, b]
    with pytest.raises(ArgumentError, match="name all or none"):
        optimiser.add_param_group({"params": [leaf(3)]})


def test_looks():
    text = repr(optim.SGD([{"params": [leaf(1)]}, {"params": [leaf(1)], "lr": 0.5}], lr=0.1))
    assert text.startswith("SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n")
    assert "Parameter Group 1" in text and "lr: 0.5" in text and "params" not in text


# --- checkpoints ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_going_on_from_a_checkpoint(name):
    rng = np.random.RandomState(0)
    gradients = [cutaway.tensor(rng.randn(4, 3).astype(np.float32)) for _ in range(6)]

    def run(p, optimiser, steps):
        for g in steps:
            p.grad = g
            optimiser.step()
        return p.detach().numpy().copy()

    p = leaf(4, 3)
    whole = getattr(optim, name)([p], lr=0.1)
    middle = run(p, whole, gradients[:3])
    saved = copy.deepcopy(whole.state_dict())
    q = cutaway.tensor(middle, requires_grad=True)
    part = getattr(optim, name)([q], lr=0.7)
    part.load_state_dict(saved)
    assert np.array_equal(run(q, part, gradients[3:]), run(p, whole, gradients[3:]))
    for value in saved["state"].get(0, {}).values():
        assert all(value is not own for own in part.state[q].values())  # copied


@pytest.mark.parametrize("way", ["deepcopy", "pickle"])
def test_copies_are_independent(way):
    p = with_gradient(3)
    optimiser = optim.Adam([p], lr=0.1)
    optimiser.step()
    if way == "deepcopy":
        twin = copy.deepcopy(optimiser)
    else:
        buffer = io.BytesIO()
        pickle.dump(optimiser, buffer)
        buffer.seek(0)
        twin = pickle.load(buffer)
    (q,) = twin.param_groups[0]["params"]
    assert q is not p and list(twin.state) == [q]
    q.grad = cutaway.ones(3)
    twin.step(), optimiser.step()
    assert q.tolist() == p.tolist() and twin.state[q]["step"].item() == 2


def test_state_of_other_dtypes_comes_in_the_parameters_dtype():
    p, q = with_gradient(2, dtype=cutaway.float64), with_gradient(2)
    a, b = optim.Adam([p]), optim.Adam([q])
    a.step()
    b.load_state_dict(a.state_dict())
    assert b.state[q]["exp_avg"].dtype is cutaway.float32
    assert b.state[q]["step"].item() == 1


def test_arrays_and_numbers_in_a_checkpoint():
    p = with_gradient(2)
    optimiser = optim.Adam([p])
    saved = {
        "state": {0: {"step": 3, "exp_avg": np.array([1.0, 2.0]), "exp_avg_sq": np.array([1.0, 4.0])}},
        "param_groups": [{"lr": 0.5, "params": [0]}],
    }
    optimiser.load_state_dict(saved)
    optimiser.step()
    assert optimiser.state[p]["step"].item() == 4
    assert optimiser.param_groups[0]["betas"] == (0.9, 0.999)  # what was not saved has its default


@pytest.mark.parametrize(
    ("saved", "error", "text"),
    [
        (None, StateError, "state_dict"),
        ({"state": {}}, StateError, "param_groups"),
        (
            {"state": {}, "param_groups": [{"params": [0]}]},
            StateError,
            "1 group of 1 parameters, this one has 1 group of 2",
        ),
        ({"state": {}, "param_groups": [{"params": [0]}, {"params": [1]}]}, StateError, "2 groups of 1 and 1"),
        ({"state": {7: {}}, "param_groups": [{"params": [0, 1]}]}, StateError, "parameter 7"),
        (
            {"state": {0: {"exp_avg": np.zeros(5)}}, "param_groups": [{"params": [0, 1]}]},
            StateError,
            r"'exp_avg' of parameter 0 has shape \[5\], the parameter \[2, 3\]",
        ),
        ({"state": {}, "param_groups": [{"params": [0, 1], "lr": -1.0}]}, ArgumentError, "lr=-1.0"),
    ],
)
def test_checkpoints_that_do_not_fit(saved, error, text):
    p, q = with_gradient(2, 3), with_gradient(4)
    optimiser = optim.Adam([p, q])
    optimiser.step()
    before = copy.deepcopy(optimiser.state_dict())
    with pytest.raises(error, match=text):
        optimiser.load_state_dict(saved)
    assert str(optimiser.state_dict()) == str(before)


# --- refusals ---------------------------------------------------------------------------------------------------------


def result():
    return leaf(2) * 2


def read_only():
    p = cutaway.from_numpy(np.broadcast_to(np.float32(1), (3,))).requires_grad_()
    p.grad = cutaway.ones(3)
    return p


same = leaf(2)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: optim.SGD(leaf(2)), ArgumentTypeError, r"single Tensor; write \[tensor\]"),
        (lambda: optim.SGD([]), ArgumentError, "empty parameter list"),
        (lambda: optim.SGD(iter([])), ArgumentError, "used up"),
        (lambda: optim.SGD({"w": leaf(2)}), ArgumentTypeError, "list"),
        (lambda: optim.SGD({leaf(2)}), ArgumentTypeError, "set"),
        (lambda: optim.SGD([{"params": {leaf(2)}}]), ArgumentTypeError, "set"),
        (lambda: optim.SGD(3), ArgumentTypeError, "got 3"),
        (lambda: optim.SGD(lambda: 0), ArgumentTypeError, r"model.parameters\(\)"),
        (lambda: optim.SGD(["w"]), ArgumentTypeError, "parameter 0 is str"),
        (lambda: optim.SGD([leaf(2), np.zeros(3)]), ArgumentTypeError, "parameter 1 is ndarray"),
        (lambda: optim.SGD([leaf(1), result()]), ArgumentError, r"parameter 1 \(float32\[2\]\) is the result of mul"),
        (lambda: optim.SGD([result()]), ArgumentError, r"w.detach\(\).requires_grad_\(\)"),
        (lambda: optim.SGD([same, leaf(1), same]), ArgumentError, "parameter 2 .* twice"),
        (lambda: optim.SGD([{"params": [same]}, {"params": [leaf(1), same]}]), ArgumentError, "already in group 0"),
        (lambda: optim.SGD([{"lr": 1.0}]), ArgumentError, "'params'"),
        (lambda: optim.SGD([{"params": [leaf(1)]}, [leaf(1)]]), ArgumentTypeError, "dict"),
        (lambda: optim.SGD([("w", leaf(1)), leaf(1)]), ArgumentError, "name all or none"),
        (lambda: optim.SGD([leaf(1)], lr=-0.1), ArgumentError, r"SGD: lr must be 0 or more, and finite, got lr=-0.1"),
        (lambda: optim.SGD([leaf(1)], lr=float("nan")), ArgumentError, "lr=nan"),
        (lambda: optim.SGD([leaf(1)], lr="0.1"), ArgumentTypeError, "lr must be a number, got '0.1'"),
        (lambda: optim.SGD([leaf(1)], lr=None), ArgumentTypeError, "None"),
        (lambda: optim.SGD([{"params": [leaf(1)], "lr": -1}]), ArgumentError, "lr=-1"),
        (lambda: optim.SGD([leaf(1)], momentum=-1), ArgumentError, "momentum=-1"),
        (lambda: optim.SGD([leaf(1)], weight_decay=-1), ArgumentError, "weight_decay=-1"),
        (lambda: optim.SGD([leaf(1)], nesterov=True), ArgumentError, "momentum=0"),
        (lambda: optim.Nesterov([leaf(1)], dampening=0.5), ArgumentError, "dampening=0.5"),
        (lambda: optim.Momentum([leaf(1)], lr=-1), ArgumentError, "Momentum: lr"),
        (lambda: optim.Adam([leaf(1)], betas=(1.0, 0.999)), ArgumentError, r"betas\[0\] must be in \[0, 1\)"),
        (lambda: optim.Adam([leaf(1)], betas=(0.9, -0.1)), ArgumentError, r"betas\[1\]"),
        (lambda: optim.Adam([leaf(1)], betas=(0.9,)), ArgumentError, "pair"),
        (lambda: optim.Adam([leaf(1)], betas=0.9), ArgumentTypeError, "pair"),
        (lambda: optim.Adam([leaf(1)], eps=-1), ArgumentError, "eps=-1"),
        (lambda: optim.AdamW([leaf(1)], weight_decay=-1), ArgumentError, "AdamW: weight_decay"),
        (lambda: optim.NAdam([leaf(1)], momentum_decay=-1), ArgumentError, "momentum_decay=-1"),
        (lambda: optim.RAdam([leaf(1)], betas=(0.9, 2)), ArgumentError, r"betas\[1\]=2"),
        (lambda: optim.Adagrad([leaf(1)], lr_decay=-1), ArgumentError, "lr_decay=-1"),
        (lambda: optim.Adagrad([leaf(1)], initial_accumulator_value=-1), ArgumentError, "initial_accumulator_value=-1"),
        (lambda: optim.RMSprop([leaf(1)], alpha=-1), ArgumentError, "alpha=-1"),
        (lambda: optim.Adadelta([leaf(1)], rho=1.5), ArgumentError, "rho=1.5"),
        (lambda: optim.Adam([leaf(1)], beta=0.9), ArgumentTypeError, "'beta'.*betas"),
        (lambda: optim.Adam([leaf(1)], differentiable=True), ArgumentError, "optimizer.apply"),
        (lambda: optim.SGD([read_only()]).step(), CutawayError, "clone"),
    ],
)
def test_bad_calls(call, error, text):
    with pytest.raises(error, match=text) as caught:
        call()
    assert isinstance(caught.value, CutawayError)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_a_parameter_that_is_in_the_list_twice_steps_twice_in_a_pytorch_program(name, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr("cutaway.core.strict._lenient", True)
    found = []
    for t in (cutaway, torch):
        p, q = (t.nn.Parameter(t.ones(n)) for n in (2, 3))
        with pytest.warns(UserWarning):
            optimiser = getattr(t.optim, name)([p, q, p], lr=0.1)
        for _ in range(3):
            optimiser.zero_grad()
            (p.sum() ** 2 + q.sum()).backward()
            optimiser.step()
        found.append([p.tolist(), q.tolist(), list(optimiser.state_dict()["state"])])
    np.testing.assert_allclose(found[0][0] + found[0][1], found[1][0] + found[1][1], rtol=1e-6)
    assert found[0][2] == found[1][2]
