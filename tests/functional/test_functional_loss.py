"""Losses against PyTorch, in every reduction and option; and what they refuse."""

import numpy as np
import pytest
import torch
import torch.nn.functional as TF

import cutaway
import cutaway.functional as F
from cutaway.core.errors import ArgumentError, ArgumentTypeError, DTypeError, IndexOutOfRange, ShapeError

REDUCTIONS = ["mean", "sum", "none"]

# --- numbers against numbers ------------------------------------------------------------------------------------------

REGRESSION = {
    "mse_loss": {},
    "l1_loss": {},
    "smooth_l1_loss": {},
    "smooth_l1_loss-beta": {"beta": 0.3},
    "smooth_l1_loss-zero": {"beta": 0.0},
    "huber_loss": {},
    "huber_loss-delta": {"delta": 0.4},
}


@pytest.mark.parametrize("shape", [(3, 4), (5,), (), (2, 1, 3)], ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", REGRESSION)
def test_regression(name, reduction, shape, agree, rng):
    ours, theirs = (getattr(module, name.split("-")[0]) for module in (F, TF))
    options = {"reduction": reduction, **REGRESSION[name]}
    x, t = rng.standard_normal(shape) * 2, rng.standard_normal(shape)
    agree(lambda x, t: ours(x, t, **options), lambda x, t: theirs(x, t, **options), x, t, second=True)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
def test_regression_weighted(name, reduction, agree, rng):
    ours, theirs = (getattr(module, name) for module in (F, TF))
    x, t, w = rng.standard_normal((3, 4)), rng.standard_normal((3, 4)), rng.random((3, 4))
    agree(
        lambda x, t, w: ours(x, t, reduction=reduction, weight=w),
        lambda x, t, w: theirs(x, t, reduction=reduction, weight=w),
        x,
        t,
        w,
    )


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_empty_batch(name, agree):
    ours, theirs = (getattr(module, name) for module in (F, TF))
    agree(
        lambda x, t: ours(x, t, reduction="sum"),
        lambda x, t: theirs(x, t, reduction="sum"),
        np.zeros((0, 3)),
        np.zeros((0, 3)),
    )
    agree(ours, theirs, np.zeros((0, 3)), np.zeros((0, 3)))


def test_sum_squared_error_is_the_books():
    y = cutaway.tensor([0.1, 0.05, 0.6, 0.0, 0.05, 0.1, 0.0, 0.1, 0.0, 0.0], dtype=cutaway.float64, requires_grad=True)
    t = cutaway.tensor([0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], dtype=cutaway.float64)
    loss = F.sum_squared_error(y, t)
    loss.backward()
    assert loss.item() == pytest.approx(0.0975)  # section 4.2.1
    np.testing.assert_allclose(y.grad.numpy(), (y - t).detach().numpy())


OUTER = ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "sum_squared_error", "kl_div", "hinge_embedding_loss"]


@pytest.mark.parametrize("name", [*OUTER, "binary_cross_entropy", "binary_cross_entropy_with_logits"])
def test_a_column_against_a_row_is_refused(name):
    loss = getattr(F, name)
    with pytest.raises(ShapeError) as refusal:
        loss(cutaway.full((7, 1), 0.5), cutaway.full((7,), 0.5))
    text = str(refusal.value)
    assert name in text and "float32[7, 1]" in text and "float32[7]" in text
    assert "input.squeeze(1)" in text and "target.unsqueeze(1)" in text
    with pytest.raises(ShapeError, match=r"target\.squeeze\(1\) or input\.unsqueeze\(1\)"):
        loss(cutaway.full((7,), 0.5), cutaway.full((7, 1), 0.5))


@pytest.mark.parametrize("name", "mse_loss l1_loss smooth_l1_loss huber_loss kl_div hinge_embedding_loss".split())
@pytest.mark.parametrize("shapes", [((4, 1), (4,)), ((3,), (5, 1)), ((2, 1, 3), (4, 1))])
def test_a_column_against_a_row_is_pytorch_s_where_its_programs_run(name, shapes, agree, rng):
    from cutaway.core.strict import set_lenient

    x, t = rng.uniform(0.1, 1, shapes[0]), rng.uniform(0.1, 1, shapes[1])
    set_lenient(True)
    try:
        with pytest.warns(UserWarning, match="must have the same shape|size|batchmean") as seen:
            agree(getattr(F, name), getattr(TF, name), x, t)
    finally:
        set_lenient(False)
    ours = [w for w in seen if "Cutaway refuses this elsewhere" in str(w.message)]
    assert ours and all(w.filename.endswith("conftest.py") for w in ours), "the line of the call outside the package"
    with pytest.raises(ShapeError):
        getattr(F, name)(cutaway.tensor(x), cutaway.tensor(t))


def test_the_gradient_where_a_loss_bends(agree):
    x, y, t = np.array([1.0, 0.0, 1.0]), np.array([1.0, 0.0, 2.0]), np.array([-1.0, 1.0, 1.0])
    agree(F.hinge_embedding_loss, TF.hinge_embedding_loss, x, t)
    agree(F.margin_ranking_loss, TF.margin_ranking_loss, x, y, t)
    agree(F.smooth_l1_loss, TF.smooth_l1_loss, x, y)
    agree(F.huber_loss, TF.huber_loss, x, y)
    agree(F.l1_loss, TF.l1_loss, x, y)
    agree(F.triplet_margin_loss, TF.triplet_margin_loss, x[None], x[None], x[None] + 1)


@pytest.mark.parametrize("name", OUTER)
def test_shapes_that_do_not_broadcast_are_refused(name):
    with pytest.raises(ShapeError, match=r"float32\[3\].*float32\[4\].*same shape"):
        getattr(F, name)(cutaway.zeros(3), cutaway.zeros(4))


def test_a_target_that_stretches_warns_as_pytorch_does():
    with pytest.warns(UserWarning, match="mse_loss: target .* is broadcast"):
        loss = F.mse_loss(cutaway.tensor([[1.0, 2.0], [3.0, 4.0]]), cutaway.tensor([1.0, 2.0]))
    assert loss.item() == 2.0


def test_older_flags():
    x, t = cutaway.tensor([1.0, 3.0]), cutaway.tensor([0.0, 0.0])
    assert F.mse_loss(x, t, size_average=False).item() == 10.0
    assert F.mse_loss(x, t, reduce=False).tolist() == [1.0, 9.0]
    assert F.mse_loss(x, t, reduce=True).item() == 5.0


# --- classes ----------------------------------------------------------------------------------------------------------

INDEX_CASES = {
    "rows": ((6, 4), (6,)),
    "one row": ((1, 4), (1,)),
    "one class": ((5, 1), (5,)),
    "no batch": ((4,), ()),
    "pixels": ((2, 3, 4, 5), (2, 4, 5)),
    "sequence": ((2, 3, 7), (2, 7)),
}


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", INDEX_CASES)
@pytest.mark.parametrize("ignore", [None, -100, 0], ids=["all", "-100", "0"])
def test_cross_entropy_indices(case, reduction, weighted, smoothing, ignore, agree, rng):
    shape, where = INDEX_CASES[case]
    classes = shape[1] if len(shape) > 1 else shape[0]
    t = rng.integers(0, classes, where)
    options = {"reduction": reduction, "label_smoothing": smoothing}
    if ignore is not None:
        t = np.where(rng.random(where) < 0.4, ignore, t)
        options["ignore_index"] = ignore
    w = rng.random(classes) + 0.5
    call = lambda f, w: lambda z, t: f(z, t, weight=w if weighted else None, **options)
    ours, theirs = call(F.cross_entropy, cutaway.from_numpy(w)), call(TF.cross_entropy, torch.from_numpy(w))
    agree(ours, theirs, rng.standard_normal(shape) * 3, np.asarray(t))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(6, 4), (4,), (2, 3, 4, 5), (1, 1)], ids=str)
def test_cross_entropy_probabilities(shape, reduction, weighted, smoothing, agree, rng):
    classes = shape[1] if len(shape) > 1 else shape[0]
    t = rng.random(shape)
    w = rng.random(classes) + 0.5
    options = {"reduction": reduction, "label_smoothing": smoothing}
    call = lambda f, w: lambda z, t: f(z, t, weight=w if weighted else None, **options)
    ours, theirs = call(F.cross_entropy, cutaway.from_numpy(w)), call(TF.cross_entropy, torch.from_numpy(w))
    agree(ours, theirs, rng.standard_normal(shape), t)


def test_cross_entropy_second_order(agree, rng):
    agree(F.cross_entropy, TF.cross_entropy, rng.standard_normal((5, 4)), rng.integers(0, 4, 5), second=True)


def test_cross_entropy_takes_one_hot_integers_too(rng):
    z, t = rng.standard_normal((5, 4)), rng.integers(0, 4, 5)
    by_index = F.cross_entropy(cutaway.from_numpy(z), cutaway.from_numpy(t)).item()
    by_code = F.cross_entropy(cutaway.from_numpy(z), F.one_hot(cutaway.from_numpy(t), 4)).item()
    assert by_code == pytest.approx(by_index, abs=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_class_indices_of_any_integer_dtype(dtype, rng):
    z, t = cutaway.from_numpy(rng.standard_normal((5, 4))), rng.integers(0, 4, 5)
    for loss in (F.cross_entropy, F.nll_loss, F.multi_margin_loss):
        assert loss(z, cutaway.from_numpy(t.astype(dtype))).item() == loss(z, cutaway.from_numpy(t)).item()


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_cross_entropy_of_huge_scores_and_of_nothing(reduction, agree):
    call = lambda f: lambda z, t: f(z, t, reduction=reduction)
    z = np.array([[1e4, -1e4, 0.0], [-1e5, 0.0, 0.0]])
    agree(call(F.cross_entropy), call(TF.cross_entropy), z, np.array([1, 0]))
    agree(call(F.cross_entropy), call(TF.cross_entropy), np.zeros((0, 3)), np.zeros(0, np.int64))
    agree(call(F.cross_entropy), call(TF.cross_entropy), np.ones((2, 3)), np.array([-100, -100]))


def test_cross_entropy_not_contiguous(agree, rng):
    agree(F.cross_entropy, TF.cross_entropy, rng.standard_normal((4, 6)).T, rng.integers(0, 4, 12)[::2])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", INDEX_CASES)
def test_nll_loss(case, reduction, weighted, agree, rng):
    shape, where = INDEX_CASES[case]
    classes = shape[1] if len(shape) > 1 else shape[0]
    t = rng.integers(0, classes, where)
    w = rng.random(classes) + 0.5
    call = lambda f, w: lambda z, t: f(z, t, weight=w if weighted else None, reduction=reduction, ignore_index=1)
    ours, theirs = call(F.nll_loss, cutaway.from_numpy(w)), call(TF.nll_loss, torch.from_numpy(w))
    agree(ours, theirs, rng.standard_normal(shape), np.asarray(t))


def _bce(f, reduction, weighted):
    return lambda x, t, w: f(x, t, weight=w if weighted else None, reduction=reduction)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(3, 4), (5,), (), (0, 2)], ids=str)
def test_binary_cross_entropy(shape, reduction, weighted, agree, rng):
    x, t, w = (np.asarray(a) for a in (rng.random(shape) * 0.98 + 0.01, rng.random(shape), rng.random(shape)))
    ours, theirs = _bce(F.binary_cross_entropy, reduction, weighted), _bce(TF.binary_cross_entropy, reduction, weighted)
    agree(
        lambda x: ours(x, cutaway.from_numpy(t), cutaway.from_numpy(w)),
        lambda x: theirs(x, torch.from_numpy(t), torch.from_numpy(w)),
        x,
        second=True,
    )


def test_binary_cross_entropy_saturated(agree):
    x = np.array([0.0, 0.0, 1.0, 1.0, 1e-300, 0.5])
    t = np.array([0.0, 1.0, 0.0, 1.0, 1.0, 0.25])
    for reduction in REDUCTIONS:
        agree(
            lambda x, r=reduction: F.binary_cross_entropy(x, cutaway.from_numpy(t), reduction=r),
            lambda x, r=reduction: TF.binary_cross_entropy(x, torch.from_numpy(t), reduction=r),
            x,
            atol=1e-8,  # PyTorch's bound of 1e-12 is a float32
        )


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(3, 4), (5,), (), (0, 2)], ids=str)
def test_binary_cross_entropy_with_logits(shape, reduction, weighted, positive, agree, rng):
    x, t, w = (np.asarray(a) for a in (rng.standard_normal(shape) * 4, rng.random(shape), rng.random(shape)))
    p = np.asarray(rng.random(shape[-1:]) + 0.5)

    def call(f, make):
        options = {"weight": make(w) if weighted else None, "pos_weight": make(p) if positive else None}
        return lambda x, t: f(x, t, reduction=reduction, **options)

    name = "binary_cross_entropy_with_logits"
    agree(call(getattr(F, name), cutaway.from_numpy), call(getattr(TF, name), torch.from_numpy), x, t)


def test_binary_cross_entropy_with_logits_at_zero_and_far_out(agree):
    z = np.array([0.0, -0.0, 1e3, -1e3, 700.0, 39.9, 40.1, -40.0])
    t = np.array([1.0, 0.0, 0.0, 1.0, 1.0, 0.5, 0.5, 0.0])
    agree(F.binary_cross_entropy_with_logits, TF.binary_cross_entropy_with_logits, z, t)


@pytest.mark.parametrize("log_target", [False, True])
@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
@pytest.mark.filterwarnings("ignore:reduction")
def test_kl_div(reduction, log_target, agree, rng):
    x, t = np.log(rng.dirichlet(np.ones(4), 3)), rng.dirichlet(np.ones(4), 3)
    call = lambda f: lambda x, t: f(x, t, reduction=reduction, log_target=log_target)
    agree(call(F.kl_div), call(TF.kl_div), x, np.log(t) if log_target else t)


def test_kl_div_of_impossible_events():
    x, t = torch.tensor([[-1.0, -2.0]]), torch.tensor([[0.0, 1.0]])
    ours = F.kl_div(cutaway.from_numpy(x.numpy()), cutaway.from_numpy(t.numpy()), reduction="sum")
    assert ours.item() == TF.kl_div(x, t, reduction="sum").item() == 2.0


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(5, 4), (4,), (1, 3)], ids=str)
def test_multi_margin_loss(shape, reduction, weighted, p, agree, rng):
    t = rng.integers(0, shape[-1], shape[:-1])
    w = rng.random(shape[-1]) + 0.5
    agree(
        lambda x: F.multi_margin_loss(
            x,
            cutaway.from_numpy(np.asarray(t)),
            p=p,
            margin=0.7,
            weight=cutaway.from_numpy(w) if weighted else None,
            reduction=reduction,
        ),
        lambda x: TF.multi_margin_loss(
            x,
            torch.from_numpy(np.asarray(t)),
            p=p,
            margin=0.7,
            weight=torch.from_numpy(w) if weighted else None,
            reduction=reduction,
        ),
        rng.standard_normal(shape),
    )


# --- pairs and triples ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_hinge_embedding_loss(reduction, agree, rng):
    t = np.array([[1.0, -1.0, 0.0, 1.0]] * 3)
    agree(
        lambda x: F.hinge_embedding_loss(x, cutaway.from_numpy(t), 0.8, reduction=reduction),
        lambda x: TF.hinge_embedding_loss(x, torch.from_numpy(t), 0.8, reduction=reduction),
        rng.standard_normal((3, 4)),
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_margin_ranking_loss(reduction, agree, rng):
    a, b, t = rng.standard_normal(6), rng.standard_normal(6), rng.choice([-1.0, 1.0], 6)
    call = lambda f: lambda a, b, t: f(a, b, t, 0.3, reduction=reduction)
    agree(call(F.margin_ranking_loss), call(TF.margin_ranking_loss), a, b, t)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_cosine_embedding_loss(reduction, agree, rng):
    t = rng.choice([-1, 1], 6)
    call = lambda f: lambda a, b, t: f(a, b, t, 0.2, reduction=reduction)
    agree(
        call(F.cosine_embedding_loss),
        call(TF.cosine_embedding_loss),
        rng.standard_normal((6, 3)),
        rng.standard_normal((6, 3)),
        t,
    )
    agree(
        call(F.cosine_embedding_loss),
        call(TF.cosine_embedding_loss),
        rng.standard_normal(3),
        rng.standard_normal(3),
        np.array(1),
    )


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_triplet_margin_loss(reduction, swap, agree, rng):
    call = lambda f: lambda a, p, n: f(a, p, n, margin=0.6, swap=swap, reduction=reduction)
    agree(call(F.triplet_margin_loss), call(TF.triplet_margin_loss), *rng.standard_normal((3, 5, 4)))


@pytest.mark.parametrize(
    ("a", "b", "dim"), [((4, 3), (4, 3), 1), ((4, 3), (1, 3), -1), ((2, 3, 4), (3, 4), 0), ((5,), (5,), 0)]
)
def test_cosine_similarity(a, b, dim, agree, rng):
    agree(
        lambda x, y: F.cosine_similarity(x, y, dim=dim),
        lambda x, y: TF.cosine_similarity(x, y, dim=dim),
        rng.standard_normal(a),
        rng.standard_normal(b),
        second=True,
    )


def test_cosine_similarity_of_a_zero_vector(agree):
    agree(
        F.cosine_similarity,
        TF.cosine_similarity,
        np.array([[0.0, 0.0], [1.0, 2.0]]),
        np.array([[1.0, 1.0], [3.0, 0.5]]),
    )


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_normalize(p, dim, agree, rng):
    agree(lambda x: F.normalize(x, p, dim), lambda x: TF.normalize(x, p, dim), rng.standard_normal((3, 4)))
    agree(lambda x: F.normalize(x, p, dim), lambda x: TF.normalize(x, p, dim), np.zeros((2, 3)), gradient=False)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.5])
@pytest.mark.parametrize("keepdim", [False, True])
def test_pairwise_distance(p, keepdim, agree, rng):
    call = lambda f: lambda x, y: f(x, y, p, 1e-6, keepdim)
    agree(
        call(F.pairwise_distance), call(TF.pairwise_distance), rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
    )


# --- refusals ---------------------------------------------------------------------------------------------------------

Z, T = cutaway.zeros(4, 3), cutaway.tensor([0, 1, 2, 1])
BAD = {
    "class-too-large": (
        lambda: F.cross_entropy(Z, cutaway.tensor([0, 1, 3, 1])),
        IndexOutOfRange,
        r"cross_entropy: target\[2\] is class 3.*3 classes.*0 to 2",
    ),
    "class-negative": (
        lambda: F.cross_entropy(Z, cutaway.tensor([0, -1, 2, 1])),
        IndexOutOfRange,
        r"target\[1\] is class -1.*ignore_index \(-100\)",
    ),
    "class-nll": (
        lambda: F.nll_loss(Z, cutaway.tensor([0, 9, 2, 1])),
        IndexOutOfRange,
        r"nll_loss: target\[1\] is class 9",
    ),
    "class-hinge": (
        lambda: F.multi_margin_loss(Z, cutaway.tensor([0, 3, 2, 1])),
        IndexOutOfRange,
        "multi_margin_loss.*class 3",
    ),
    "target-column": (lambda: F.cross_entropy(Z, T.unsqueeze(1)), ShapeError, r"int64\[4, 1\].*target\.squeeze\(1\)"),
    "target-length": (
        lambda: F.cross_entropy(Z, cutaway.tensor([0, 1])),
        ShapeError,
        r"float32\[4, 3\].*\[4\].*int64\[2\]",
    ),
    "target-not-one-hot": (
        lambda: F.cross_entropy(Z, cutaway.tensor([[0, 1, 1]] * 4)),
        ArgumentError,
        "rows are not one-hot",
    ),
    "bce-stretch": (
        lambda: F.binary_cross_entropy_with_logits(Z, cutaway.zeros(3)),
        ShapeError,
        r"input float32\[4, 3\] and target float32\[3\] must have the same shape\. Bring",
    ),
    "target-float": (
        lambda: F.cross_entropy(Z, T.float()),
        DTypeError,
        r"target must hold integers, got float32\[4\].*\.long\(\)",
    ),
    "scores-integer": (lambda: F.cross_entropy(Z.long(), T), DTypeError, r"cross_entropy.*int64\[4, 3\].*\.float\(\)"),
    "scores-scalar": (
        lambda: F.cross_entropy(cutaway.tensor(1.0), cutaway.tensor(0)),
        ShapeError,
        "no dimension of classes",
    ),
    "weight-length": (lambda: F.cross_entropy(Z, T, weight=cutaway.ones(4)), ShapeError, r"one number a class, \[3\]"),
    "smoothing": (lambda: F.cross_entropy(Z, T, label_smoothing=1.5), ArgumentError, "label_smoothing.*1.5"),
    "reduction": (lambda: F.cross_entropy(Z, T, reduction="avg"), ArgumentError, "'avg'.*'mean', 'sum', 'none'"),
    "not-a-tensor": (lambda: F.mse_loss(Z, [1.0]), ArgumentTypeError, "mse_loss: target must be a Tensor, got list"),
    "bce-range": (
        lambda: F.binary_cross_entropy(cutaway.tensor([1.5]), cutaway.ones(1)),
        ArgumentError,
        "between 0 and 1.*sigmoid",
    ),
    "bce-nan": (
        lambda: F.binary_cross_entropy(cutaway.tensor([float("nan")]), cutaway.ones(1)),
        ArgumentError,
        "between 0 and 1",
    ),
    "huber-delta": (lambda: F.huber_loss(Z, Z, delta=0.0), ArgumentError, "delta must be positive"),
    "smooth-beta": (lambda: F.smooth_l1_loss(Z, Z, beta=-1.0), ArgumentError, "beta must not be negative"),
    "hinge-p": (lambda: F.multi_margin_loss(Z, T, p=3), ArgumentError, "p must be 1 or 2"),
    "triplet-margin": (
        lambda: F.triplet_margin_loss(Z, Z, Z, margin=0),
        ArgumentError,
        "margin must be greater than 0",
    ),
    "ranking-dims": (lambda: F.margin_ranking_loss(Z, Z, cutaway.ones(4)), ShapeError, "same number of dimensions"),
    "cosine-shapes": (lambda: F.cosine_embedding_loss(Z, Z, cutaway.ones(3)), ShapeError, r"target\[N\]"),
    "normalize-out": (lambda: F.normalize(Z, out=Z), ArgumentTypeError, "out= is not supported"),
    "weight-shape": (
        lambda: F.mse_loss(Z, Z, weight=cutaway.ones(3)),
        ShapeError,
        "weight .* must have the shape of the loss",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name):
    call, error, text = BAD[name]
    with pytest.raises(error, match=text):
        call()
