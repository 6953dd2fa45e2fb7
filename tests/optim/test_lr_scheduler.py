"""Every schedule gives PyTorch's rates (and momenta), epoch by epoch; saved in the middle, it goes on."""

import warnings

import numpy as np
import pytest

import cutaway
from cutaway import optim
from cutaway.core.errors import ArgumentError, ArgumentTypeError, CutawayError, NotWritten, StateError
from cutaway.optim import lr_scheduler as ours

torch = pytest.importorskip("torch")
theirs = torch.optim.lr_scheduler

EPOCHS = 60


class Halve:
    """A callable object, whose attributes a state_dict keeps."""

    def __init__(self):
        self.every = 5

    def __call__(self, epoch):
        return 0.5 ** (epoch // self.every)


SCHEDULES = [
    ("StepLR", {"step_size": 7}),
    ("StepLR", {"step_size": 1, "gamma": 0.9}),
    ("MultiStepLR", {"milestones": [3, 10, 10, 30], "gamma": 0.3}),
    ("ExponentialLR", {"gamma": 0.95}),
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.1, "total_iters": 12}),
    ("ConstantLR", {"total_iters": 0}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 0.7, "total_iters": 20}),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 30}),
    ("PolynomialLR", {"total_iters": 20, "power": 2.0}),
    ("PolynomialLR", {}),
    ("CosineAnnealingLR", {"T_max": 50}),
    ("CosineAnnealingLR", {"T_max": 10, "eta_min": 0.01}),
    ("CosineAnnealingLR", {"T_max": 1}),
    ("CosineAnnealingWarmRestarts", {"T_0": 10}),
    ("CosineAnnealingWarmRestarts", {"T_0": 4, "T_mult": 2, "eta_min": 0.001}),
    ("LambdaLR", {"lr_lambda": lambda e: 0.9**e}),
    ("LambdaLR", {"lr_lambda": [lambda e: 0.9**e, lambda e: 1 / (1 + e)]}),
    ("LambdaLR", {"lr_lambda": [Halve(), lambda e: 1.0]}),
    ("MultiplicativeLR", {"lr_lambda": lambda e: 0.95}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 60}),
    ("OneCycleLR", {"max_lr": [1.0, 0.3], "epochs": 10, "steps_per_epoch": 6, "anneal_strategy": "linear"}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 60, "three_phase": True, "pct_start": 0.4, "div_factor": 5.0}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 61, "base_momentum": [0.7, 0.8], "max_momentum": 0.9, "final_div_factor": 10.0}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 60, "cycle_momentum": False, "pct_start": 0.0333}),
]  # fmt: skip


def optimisers(rule="SGD", **options):
    """The same optimiser with two groups, here and in PyTorch; the parameters have no gradient, so a step is no change."""
    p, q = cutaway.zeros(2, requires_grad=True), cutaway.zeros(2, requires_grad=True)
    x, y = torch.zeros(2, requires_grad=True), torch.zeros(2, requires_grad=True)
    options = options or ({"momentum": 0.9} if rule == "SGD" else {})
    return (
        getattr(optim, rule)([{"params": [p]}, {"params": [q], "lr": 0.02}], lr=0.1, **options),
        getattr(torch.optim, rule)([{"params": [x]}, {"params": [y], "lr": 0.02}], lr=0.1, **options),
    )


def hyper(optimiser):
    return [(g["lr"], g.get("momentum"), g.get("betas", (0,))[0], g.get("initial_lr")) for g in optimiser.param_groups]


def same(a, b):
    for x, y in zip(hyper(a), hyper(b)):
        np.testing.assert_allclose([v or 0 for v in x], [v or 0 for v in y], rtol=1e-12, atol=1e-15)


def walk(a, sa, b, sb, epochs, *measures):
    for e in range(epochs):
        a.step(), b.step()
        sa.step(*[m[e] for m in measures]), sb.step(*[m[e] for m in measures])
        same(a, b)
        np.testing.assert_allclose(sa.get_last_lr(), sb.get_last_lr(), rtol=1e-12, atol=1e-15)
        assert getattr(sa, "last_epoch", None) == getattr(sb, "last_epoch", None)


@pytest.mark.parametrize("rule", ["SGD", "Adam"])
@pytest.mark.parametrize(("name", "options"), SCHEDULES)
def test_rates(name, options, rule):
    a, b = optimisers(rule)
    sa, sb = getattr(ours, name)(a, **options), getattr(theirs, name)(b, **options)
    same(a, b)
    walk(a, sa, b, sb, EPOCHS)


@pytest.mark.parametrize(("name", "options"), SCHEDULES)
def test_saved_in_the_middle_it_goes_on(name, options):
    a, b = optimisers()
    sa, sb = getattr(ours, name)(a, **options), getattr(theirs, name)(b, **options)
    walk(a, sa, b, sb, 9)
    new, _ = optimisers()
    restored = getattr(ours, name)(new, **options)
    new.load_state_dict(a.state_dict())
    restored.load_state_dict(sa.state_dict())
    walk(new, restored, b, sb, 20)
    assert sa.last_epoch == 9  # the state was copied


@pytest.mark.parametrize(
    ("name", "options"), [s for s in SCHEDULES if s[0] not in ("OneCycleLR", "LambdaLR", "MultiplicativeLR")]
)
def test_jump_to_an_epoch(name, options):
    a, b = optimisers()
    sa, sb = getattr(ours, name)(a, **options), getattr(theirs, name)(b, **options)
    a.step(), b.step()
    for epoch in (4, 5, 17, 3, 30):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch deprecates it
            sa.step(epoch), sb.step(epoch)
        same(a, b)


@pytest.mark.parametrize(("name", "options"), [s for s in SCHEDULES if s[0] != "OneCycleLR"])
def test_going_on_from_last_epoch(name, options):
    a, b = optimisers()
    for optimiser in (a, b):
        for group in optimiser.param_groups:
            group["initial_lr"] = 2 * group["lr"]
    sa, sb = getattr(ours, name)(a, last_epoch=5, **options), getattr(theirs, name)(b, last_epoch=5, **options)
    same(a, b)
    walk(a, sa, b, sb, 15)


def test_warm_restarts_between_epochs():
    a, b = optimisers()
    sa, sb = (m.CosineAnnealingWarmRestarts(o, 5, 2) for m, o in ((ours, a), (theirs, b)))
    for epoch in np.arange(0, 40, 0.3).tolist():
        sa.step(epoch), sb.step(epoch)
        same(a, b)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"patience": 2, "factor": 0.5, "cooldown": 3},
        {"mode": "max", "patience": 1, "threshold": 0.1},
        {"mode": "max", "threshold_mode": "abs", "threshold": 0.05, "patience": 0},
        {"threshold_mode": "abs", "threshold": 0.01, "patience": 3, "min_lr": [0.03, 0.001]},
        {"patience": 0, "eps": 0.005},
    ],
)
def test_reduce_on_plateau(options):
    measure = np.abs(np.sin(np.arange(EPOCHS) / 3) + np.random.RandomState(0).randn(EPOCHS) / 5).tolist()
    a, b = optimisers()
    sa, sb = ours.ReduceLROnPlateau(a, **options), theirs.ReduceLROnPlateau(b, **options)
    walk(a, sa, b, sb, 25, measure)
    new, _ = optimisers()
    restored = ours.ReduceLROnPlateau(new, **options)
    new.load_state_dict(a.state_dict()), restored.load_state_dict(sa.state_dict())
    assert restored.in_cooldown == sb.in_cooldown
    walk(new, restored, b, sb, 30, measure[25:])
    assert hyper(new)[0][0] < 0.1
    restored.step(cutaway.tensor(0.5))
    assert restored.last_epoch == 56


def test_plateau_after_a_group_was_added():
    a, _ = optimisers()
    single, listed = ours.ReduceLROnPlateau(a, patience=0), ours.ReduceLROnPlateau(a, patience=0, min_lr=[0, 0])
    a.add_param_group({"params": [cutaway.zeros(1, requires_grad=True)]})
    single.step(1.0), single.step(1.0)
    assert [g["lr"] for g in a.param_groups] == pytest.approx([0.01, 0.002, 0.01])
    listed.step(1.0)
    with pytest.raises(StateError, match="2 groups, the optimiser has 3"):
        listed.step(1.0)


def sequence(m, o):
    warm = m.LinearLR(o, start_factor=0.1, total_iters=5)
    return m.SequentialLR(o, [warm, m.CosineAnnealingLR(o, T_max=20), m.ExponentialLR(o, 0.9)], milestones=[5, 25])


def warm_then_steps(m, o):
    return m.SequentialLR(o, [m.ConstantLR(o, 0.1, 3), m.StepLR(o, 4, 0.5), m.PolynomialLR(o, 10)], [3, 30])


def restarts(m, o):
    return m.SequentialLR(o, [m.ConstantLR(o, 0.1, 3), m.CosineAnnealingWarmRestarts(o, 4, 2)], [7])


def with_a_function(m, o):
    return m.SequentialLR(o, [m.LambdaLR(o, lambda e: (e + 1) / 10), m.MultiStepLR(o, [3, 6])], [10])


def nested(m, o):
    return m.SequentialLR(o, [sequence(m, o), m.StepLR(o, 3)], [40])


def chain(m, o):
    return m.ChainedScheduler([m.ConstantLR(o, 0.1, 4), m.ExponentialLR(o, 0.9), m.StepLR(o, 10)])


@pytest.mark.filterwarnings("ignore::UserWarning")  # the nested one begins twice, in PyTorch as well
@pytest.mark.parametrize("make", [sequence, warm_then_steps, restarts, with_a_function, nested, chain])
def test_combined(make):
    a, b = optimisers()
    sa, sb = make(ours, a), make(theirs, b)
    same(a, b)
    walk(a, sa, b, sb, 8)
    new, _ = optimisers()
    restored = make(ours, new)
    new.load_state_dict(a.state_dict()), restored.load_state_dict(sa.state_dict())
    walk(new, restored, b, sb, EPOCHS - 8)


def test_a_rate_set_by_hand_lasts():
    a, b = optimisers()
    sa, sb = ours.StepLR(a, 3, 0.5), theirs.StepLR(b, 3, 0.5)
    walk(a, sa, b, sb, 4)
    a.param_groups[0]["lr"] = b.param_groups[0]["lr"] = 7.0
    walk(a, sa, b, sb, 4)
    assert hyper(a)[0][0] == 3.5


def test_own_schedules():
    class Root(ours.LRScheduler):
        """lr = base / sqrt(1 + e)."""

        def at(self, base):
            return base / (1 + self.last_epoch) ** 0.5

    class Add(ours.LRScheduler):
        def get_lr(self):
            return [g["lr"] + 1 for g in self.optimizer.param_groups]

    a, _ = optimisers()
    s = Root(a)
    a.step(), s.step(), s.step(), s.step()
    assert s.get_last_lr() == [0.05, 0.01]
    assert repr(s) == "Root(epoch 3, lr [0.05, 0.01])"
    s = Add(a)
    assert s.get_last_lr() == [1.05, 1.01]
    with pytest.raises(NotWritten, match="follow"):
        ours.LRScheduler(a)


def test_warns_when_the_schedule_goes_first():
    a, _ = optimisers()
    s = ours.StepLR(a, 3)
    with pytest.warns(UserWarning, match=r"StepLR.step\(\) was called before optimizer.step\(\)"):
        s.step()


def test_the_rate_is_used():
    p = cutaway.tensor([1.0], requires_grad=True)
    a = optim.SGD([p], lr=1.0)
    s = ours.StepLR(a, 1, 0.5)
    for expected in (0.0, -0.5, -0.75):
        p.grad = cutaway.tensor([1.0])
        a.step(), s.step()
        assert p.item() == expected


def sgd(**options):
    return optim.SGD([cutaway.zeros(2, requires_grad=True)], lr=0.1, **options)


def two(second):
    a = sgd()
    return ours.SequentialLR(a, [ours.StepLR(a, 1), second(a)], [3])


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: ours.StepLR(None, 3), ArgumentTypeError, "Optimizer, got NoneType"),
        (lambda: ours.StepLR(sgd(), 0), ArgumentError, "step_size=0"),
        (lambda: ours.StepLR(sgd(), -2.5), ArgumentError, "step_size=-2.5"),
        (lambda: ours.StepLR(sgd(), 2, gamma=-1), ArgumentError, "gamma=-1"),
        (lambda: ours.StepLR(sgd(), 2, gamma="x"), ArgumentTypeError, "gamma='x'"),
        (lambda: ours.StepLR(sgd(), 2, last_epoch=3), ArgumentError, "initial_lr"),
        (lambda: ours.MultiStepLR(sgd(), 5), ArgumentTypeError, "milestones"),
        (lambda: ours.MultiStepLR(sgd(), [-1.5]), ArgumentError, "-1.5"),
        (lambda: ours.ExponentialLR(sgd(), float("nan")), ArgumentError, "nan"),
        (lambda: ours.ConstantLR(sgd(), 2.0), ArgumentError, "factor=2.0"),
        (lambda: ours.ConstantLR(sgd(), 0.0), ArgumentError, r"\(0, 1\]"),
        (lambda: ours.LinearLR(sgd(), 0), ArgumentError, "start_factor=0"),
        (lambda: ours.LinearLR(sgd(), 0.5, 1.5), ArgumentError, "end_factor=1.5"),
        (lambda: ours.LinearLR(sgd(), total_iters=-1), ArgumentError, "total_iters=-1"),
        (lambda: ours.PolynomialLR(sgd(), total_iters=-1), ArgumentError, "total_iters=-1"),
        (lambda: ours.CosineAnnealingLR(sgd(), 0), ArgumentError, "T_max=0"),
        (lambda: ours.CosineAnnealingWarmRestarts(sgd(), 0), ArgumentError, "T_0=0"),
        (lambda: ours.CosineAnnealingWarmRestarts(sgd(), 5, 0.5), ArgumentError, "T_mult=0.5"),
        (lambda: ours.CosineAnnealingWarmRestarts(sgd(), 5).step(-1), ArgumentError, "epoch=-1"),
        (lambda: ours.LambdaLR(sgd(), 0.9), ArgumentTypeError, "function of the epoch, got 0.9"),
        (lambda: ours.LambdaLR(sgd(), [abs, abs]), ArgumentError, "2 values, the optimiser 1 groups"),
        (lambda: ours.OneCycleLR(sgd(momentum=0.9), 1.0), ArgumentError, "total_steps"),
        (lambda: ours.OneCycleLR(sgd(momentum=0.9), 1.0, total_steps=0), ArgumentError, "total_steps=0"),
        (lambda: ours.OneCycleLR(sgd(momentum=0.9), 1.0, epochs=3), ArgumentError, "steps_per_epoch"),
        (lambda: ours.OneCycleLR(sgd(momentum=0.9), 1.0, 10, pct_start=1.5), ArgumentError, "pct_start=1.5"),
        (lambda: ours.OneCycleLR(sgd(momentum=0.9), 1.0, 10, anneal_strategy="sin"), ArgumentError, "'sin'"),
        (lambda: ours.OneCycleLR(optim.Adagrad([cutaway.zeros(1, requires_grad=True)]), 1.0, 10), ArgumentError, "cycle_momentum"),
        (lambda: ours.ReduceLROnPlateau(sgd(), mode="less"), ArgumentError, "'less'"),
        (lambda: ours.ReduceLROnPlateau(sgd(), factor=1.0), ArgumentError, "factor=1.0"),
        (lambda: ours.ReduceLROnPlateau(sgd(), threshold_mode="?"), ArgumentError, "'\\?'"),
        (lambda: ours.ReduceLROnPlateau(sgd(), patience=-1), ArgumentError, "patience=-1"),
        (lambda: ours.ReduceLROnPlateau(sgd(), min_lr=[0, 0]), ArgumentError, "2 values"),
        (lambda: ours.SequentialLR(sgd(), [], []), ArgumentError, "at least one"),
        (lambda: two(lambda a: ours.StepLR(sgd(), 1)), ArgumentError, "another optimiser"),
        (lambda: two(lambda a: ours.ReduceLROnPlateau(a)), ArgumentError, "ReduceLROnPlateau"),
        (lambda: two(lambda a: 3), ArgumentTypeError, "int"),
        (lambda: ours.ChainedScheduler([]), ArgumentError, "at least one"),
        (lambda: ours.ChainedScheduler([ours.StepLR(sgd(), 1), ours.StepLR(sgd(), 1)]), ArgumentError, "another optimiser"),
        (lambda: ours.StepLR(sgd(), 1).load_state_dict(ours.ExponentialLR(sgd(), 0.5).state_dict()), StateError, "step_size"),
    ],
)  # fmt: skip
def test_bad_calls(call, error, text):
    with pytest.raises(error, match=text) as caught:
        call()
    assert isinstance(caught.value, CutawayError)


def test_bad_milestones():
    a = sgd()
    with pytest.raises(ArgumentError, match="2 schedules need 1 milestones"):
        ours.SequentialLR(a, [ours.StepLR(a, 1), ours.StepLR(a, 1)], [1, 2])


def test_one_cycle_ends():
    a = sgd(momentum=0.9)
    s = ours.OneCycleLR(a, 1.0, total_steps=3)
    a.step()
    s.step(), s.step(), s.step()
    with pytest.raises(ArgumentError, match="step 4 is past total_steps=3"):
        s.step()
