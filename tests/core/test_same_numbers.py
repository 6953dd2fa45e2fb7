"""A program that seeds and draws sees PyTorch's numbers: the public names, in every order, and all that is built on them."""

import warnings

import numpy as np
import pytest

import cutaway

torch = pytest.importorskip("torch")
BOTH = (cutaway, torch)
SEEDS = [0, 1234, 2**40 + 3]
SIZES = [0, 1, 2, 15, 16, 17, 31, 33, 624, 1000, 20_000]
FLOATS = ["float32", "float64"]
INTEGERS = ["uint8", "int8", "int16", "int32", "int64"]


def arrays(x):
    """What a call gave, as NumPy arrays."""
    if isinstance(x, (list, tuple)):
        return [a for part in x for a in arrays(part)]
    return [x.detach().numpy()] if hasattr(x, "detach") else [np.asarray(x)]


def agree(program, seed, exact=True, tolerance=1e-6):
    """program(library) gives the same numbers under both, and leaves both generators at the same place."""
    got, expected, after = [], [], []
    for library, results in zip(BOTH, (got, expected)):
        library.manual_seed(seed)
        results += arrays(program(library))
        after.append(library.rand(3, dtype=library.float64).tolist())
    assert len(got) == len(expected)
    for ours, theirs in zip(got, expected):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        if exact:
            assert np.array_equal(ours, theirs), np.flatnonzero(ours != theirs)[:5]
        else:
            np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
    assert after[0] == after[1]


def _pytorch_asks_mkl():
    """On Intel's processors `exponential_`, and what is made of it, comes from another generator, see core/random.py."""
    g = torch.Generator().manual_seed(0)
    torch.empty(10).exponential_(generator=g)
    after = torch.rand(1, generator=g)
    torch.rand(20, generator=g.manual_seed(0))
    return bool(after != torch.rand(1, generator=g))


ASKS_MKL = _pytorch_asks_mkl()


# --- one function at a time, size after size --------------------------------------------------------------------------

EXACT = {
    "rand": lambda m, n, d: m.rand(n, dtype=d),
    "rand_like": lambda m, n, d: m.rand_like(m.zeros(n, 2, dtype=d)),
    "uniform_": lambda m, n, d: m.empty(n, dtype=d).uniform_(-0.3, 0.7),
    "uniform_ of a transpose": lambda m, n, d: m.empty(n, 3, dtype=d).t().uniform_(1, 2),
    "bernoulli": lambda m, n, d: m.bernoulli(m.linspace(0, 1, n, dtype=d)),
    "bernoulli_ of a tensor": lambda m, n, d: m.empty(n, dtype=d).bernoulli_(m.linspace(0, 1, n, dtype=d)),
    "randint": lambda m, n, d: m.randint(3, 100, (n,), dtype=d),
    "random_": lambda m, n, d: m.empty(n, dtype=d).random_(),
    "randperm": lambda m, n, d: m.randperm(n, dtype=d),
}
NORMAL = {
    "randn": lambda m, n, d: m.randn(n, dtype=d),
    "randn of two axes": lambda m, n, d: m.randn(n, 3, dtype=d),
    "randn_like": lambda m, n, d: m.randn_like(m.zeros(n, dtype=d)),
    "normal": lambda m, n, d: m.normal(-1.5, 0.25, (n,), dtype=d),
    "normal of means": lambda m, n, d: m.normal(m.arange(n, dtype=d)),
    "normal of means and spreads": lambda m, n, d: m.normal(m.arange(n, dtype=d), m.linspace(0, 1, n, dtype=d)),
    "normal of spreads": lambda m, n, d: m.normal(2.0, m.linspace(0, 1, n, dtype=d)),
    "normal_": lambda m, n, d: m.empty(n, dtype=d).normal_(3, 2),
    "normal_ of a transpose": lambda m, n, d: m.empty(n, 3, dtype=d).t().normal_(3, 2),
    "normal_ of every other": lambda m, n, d: m.empty(2 * n, dtype=d)[::2].normal_(3, 2),
    "exponential_": lambda m, n, d: m.empty(n, dtype=d).exponential_(2.5),
}
OF_INTEGERS = ["randint", "random_"]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", EXACT)
def test_exact(name, dtype, seed):
    agree(lambda m: [EXACT[name](m, n, getattr(m, dtype)) for n in SIZES], seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", NORMAL)
def test_normal(name, dtype, seed):
    if name == "exponential_" and ASKS_MKL:
        pytest.skip("PyTorch draws from MKL here")
    tolerance = 1e-6 if dtype == "float32" else 1e-13
    agree(lambda m: [NORMAL[name](m, n, getattr(m, dtype)) for n in SIZES], seed, exact=False, tolerance=tolerance)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", OF_INTEGERS)
def test_integers(name, dtype):
    agree(lambda m: [EXACT[name](m, n, getattr(m, dtype)) for n in SIZES], 3)


@pytest.mark.parametrize("dtype", ["int64", "int32", "float64", "float32"])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 50, 1000, 60_000, 300_000])
def test_permutations(n, dtype):
    agree(lambda m: [m.randperm(n, dtype=getattr(m, dtype)) for _ in range(2)], n)


@pytest.mark.parametrize("span", [1, 2, 10, 255, 1000, 2**27, 2**28 - 1, 2**28, 2**28 + 1, 2**31, 2**32, 2**40, 2**62])
def test_spans(span):
    agree(lambda m: [m.randint(span, (n,)) for n in SIZES] + [m.randint(-7, span - 7, (5, 5))], span)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("replacement", [True, False])
@pytest.mark.parametrize("count", [1, 2, 10, 40])
def test_multinomial(count, replacement, dtype):
    if ASKS_MKL and (count == 1 or not replacement):
        pytest.skip("PyTorch draws from MKL here")

    def program(m):
        d = getattr(m, dtype)
        flat, spread = m.ones(40, dtype=d), m.rand(3, 40, dtype=d)
        rows = [flat, spread, spread[0] * (m.arange(40) < count), m.softmax(spread * 9, 1)]
        return [m.multinomial(w, count, replacement) for w in rows]

    agree(program, count)


LIKE = {
    "transposed": lambda m: m.ones(30, 5).t(),
    "small and transposed": lambda m: m.ones(3, 4).t(),
    "permuted": lambda m: m.ones(3, 4, 5).permute(2, 0, 1),
    "every other column": lambda m: m.ones(6, 8)[:, ::2],
    "every other column, transposed": lambda m: m.ones(6, 8)[:, ::2].t(),
    "expanded": lambda m: m.ones(4, 1).expand(4, 9),
    "expanded and transposed": lambda m: m.ones(4).expand(5, 4).t(),
    "with a dimension of 1": lambda m: m.ones(6, 1, 4).transpose(1, 2),
    "double": lambda m: m.ones(5, 6, dtype=m.float64).t(),
}


@pytest.mark.parametrize("name", LIKE)
def test_numbers_come_in_the_order_of_the_memory(name):
    def program(m):
        x = LIKE[name](m)
        return [m.rand_like(x), m.randint_like(x, 3, 90), m.randn_like(x), m.bernoulli(x * 0.4), m.normal(x, x)]

    agree(program, 2, exact=False)


@pytest.mark.parametrize("name", LIKE)
def test_compiled_draws_come_in_the_same_order(name):
    def draws(x):
        x = LIKE[name](cutaway) if x is None else x.t() if x.ndim == 2 else x.permute(2, 0, 1)
        return cutaway.rand_like(x), cutaway.randint_like(x, 3, 90), cutaway.randn_like(x)

    for x in (None, cutaway.ones(8, 7), cutaway.ones(8, 7)[::2, 1:], cutaway.ones(2, 3, 4)):
        found = []
        for f in (draws, cutaway.compile(draws)):
            cutaway.manual_seed(3)
            found.append([y.tolist() for _ in range(2) for y in f(x)])
        assert found[0] == found[1]


# --- many functions in turn -------------------------------------------------------------------------------------------

STEPS = [
    lambda m, n: m.rand(n),
    lambda m, n: m.randn(n),
    lambda m, n: m.randn(n, dtype=m.float64),
    lambda m, n: m.randint(0, 7, (n,)),
    lambda m, n: m.randint(0, 2**40, (n,)),
    lambda m, n: m.randperm(n),
    lambda m, n: m.bernoulli(m.full((n,), 0.3)),
    lambda m, n: m.rand(2) if ASKS_MKL else m.multinomial(m.arange(1, n + 2, dtype=m.float32), 1),
    lambda m, n: m.multinomial(m.arange(1, n + 2, dtype=m.float64), n + 2, replacement=True),
    lambda m, n: m.empty(n).normal_(1, 3),
    lambda m, n: m.empty(n, dtype=m.float64).uniform_(-2, 5),
    lambda m, n: m.nn.Linear(n + 1, 2).weight,
    lambda m, n: m.nn.init.trunc_normal_(m.empty(n)),
    lambda m, n: m.manual_seed(n).initial_seed(),
    lambda m, n: m.randn(n, generator=m.Generator().manual_seed(n)),
    lambda m, n: (lambda state: (m.randn(5), m.set_rng_state(state), m.rand(2))[2])(m.get_rng_state()),
]


@pytest.mark.parametrize("seed", range(40))
def test_any_order(seed):
    def program(m):
        plan = np.random.default_rng(seed)
        return [STEPS[plan.integers(len(STEPS))](m, int(plan.choice([0, 1, 3, 14, 16, 21, 700]))) for _ in range(30)]

    agree(program, seed, exact=False)


# --- what is built on them --------------------------------------------------------------------------------------------

INITS = {
    "uniform_": (lambda f, w: f(w, -2, 3), True),
    "normal_": (lambda f, w: f(w, 1, 0.1), False),
    "trunc_normal_": (lambda f, w: f(w, 0.2, 1.5, -1, 1), False),
    "xavier_uniform_": (lambda f, w: f(w, 1.7), True),
    "xavier_normal_": (lambda f, w: f(w, 1.7), False),
    "kaiming_uniform_": (lambda f, w: f(w, 0.2, "fan_out"), True),
    "kaiming_normal_": (lambda f, w: f(w, nonlinearity="relu"), False),
    "orthogonal_": (lambda f, w: f(w, 2), False),
    "sparse_": (lambda f, w: f(w, 0.4), False),
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(3, 4), (40, 17), (5, 3, 2, 2)])
@pytest.mark.parametrize("name", INITS)
def test_initial_values(name, shape, dtype):
    if name == "sparse_" and len(shape) > 2:
        shape = (9, 31)
    call, exact = INITS[name]
    tolerance = 2e-5 if name == "orthogonal_" and dtype == "float32" else 1e-6

    def program(m):
        first, second = (m.empty(shape, dtype=getattr(m, dtype)) for _ in range(2))
        return [call(getattr(m.nn.init, name), w) for w in (first, second)]

    agree(program, 5, exact, tolerance)


LAYERS = {
    "Linear": lambda nn: nn.Linear(20, 30),
    "Linear without bias": lambda nn: nn.Linear(3, 5, bias=False),
    "Bilinear": lambda nn: nn.Bilinear(3, 4, 5),
    "Conv1d": lambda nn: nn.Conv1d(4, 6, 3, groups=2),
    "Conv2d": lambda nn: nn.Conv2d(3, 8, (3, 2)),
    "ConvTranspose2d": lambda nn: nn.ConvTranspose2d(4, 6, 3),
    "BatchNorm2d": lambda nn: nn.BatchNorm2d(4),
    "LayerNorm": lambda nn: nn.LayerNorm((4, 5)),
    "GroupNorm": lambda nn: nn.GroupNorm(2, 4),
    "InstanceNorm2d": lambda nn: nn.InstanceNorm2d(4, affine=True),
    "PReLU": lambda nn: nn.PReLU(3),
    "Embedding": lambda nn: nn.Embedding(11, 5, padding_idx=2),
    "RNN": lambda nn: nn.RNN(5, 7, 2, bidirectional=True),
    "LSTM": lambda nn: nn.LSTM(5, 7, 2),
    "GRU": lambda nn: nn.GRU(5, 7, bias=False),
    "RNNCell": lambda nn: nn.RNNCell(5, 7),
    "LSTMCell": lambda nn: nn.LSTMCell(5, 7),
    "GRUCell": lambda nn: nn.GRUCell(5, 7),
    "MultiheadAttention": lambda nn: nn.MultiheadAttention(8, 2),
    "MultiheadAttention of other widths": lambda nn: nn.MultiheadAttention(8, 2, kdim=5, vdim=6, add_bias_kv=True),
    "TransformerEncoderLayer": lambda nn: nn.TransformerEncoderLayer(8, 2, 16),
    "TransformerDecoderLayer": lambda nn: nn.TransformerDecoderLayer(8, 2, 16),
    "TransformerEncoder": lambda nn: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2),
    "Transformer": lambda nn: nn.Transformer(8, 2, 1, 1, 16),
    "Sequential": lambda nn: nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 10)),
}


@pytest.mark.parametrize("seed", [0, 77])
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, seed):
    names = []

    def program(m):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's, about nested tensors
            layers = [LAYERS[name](m.nn) for _ in range(2)]
        names.append([k for k, _ in layers[0].named_parameters()])
        return [p for layer in layers for p in layer.parameters()]

    agree(program, seed, exact=name not in ("Embedding", "MultiheadAttention of other widths"))
    assert names[0] == names[1]


LOADERS = {
    "shuffled": {"shuffle": True},
    "in order": {},
    "of whole batches": {"shuffle": True, "drop_last": True},
    "one by one": {"shuffle": True, "batch_size": None},
    "from a generator": {"shuffle": True, "generator": 9},
    "in order, with a generator": {"generator": 9},
}


@pytest.mark.parametrize("name", LOADERS)
def test_loaders(name):
    def program(m):
        options = {"batch_size": 7, **LOADERS[name]}
        if "generator" in options:
            options["generator"] = m.Generator().manual_seed(options["generator"])
        x, y = m.arange(60.0).reshape(30, 2), m.arange(30)
        loader = m.utils.data.DataLoader(m.utils.data.TensorDataset(x, y), **options)
        seen = []
        for _ in range(3):
            for a, b in loader:
                seen += [a, b, m.rand(1)]  # draws between batches do not disturb the order
        next(iter(loader))
        return seen

    agree(program, 11)


@pytest.mark.parametrize("lengths", [[20, 7, 3], [0.5, 0.25, 0.25]])
def test_splits(lengths):
    def program(m):
        own = m.utils.data.random_split(range(30), lengths, m.Generator().manual_seed(4))
        parts = m.utils.data.random_split(range(30), lengths) + own
        return [list(part.indices) for part in parts]

    agree(program, 8)


def test_a_training_loop_has_pytorchs_losses():
    """Data, initial values and order all drawn from one seed."""

    def program(m):
        x = m.randn(96, 6)
        y = m.randint(0, 3, (96,))
        net = m.nn.Sequential(m.nn.Linear(6, 32), m.nn.Tanh(), m.nn.Linear(32, 3))
        train, _ = m.utils.data.random_split(m.utils.data.TensorDataset(x, y), [80, 16])
        opt, losses = m.optim.SGD(net.parameters(), lr=0.1, momentum=0.9), []
        for _ in range(5):
            for a, b in m.utils.data.DataLoader(train, batch_size=16, shuffle=True):
                opt.zero_grad()
                loss = m.nn.functional.cross_entropy(net(a), b)
                loss.backward()
                opt.step()
                losses.append(loss.item())
        return losses

    agree(program, 0, exact=False, tolerance=1e-5)


def test_a_state_is_a_tensor_of_bytes_that_passes_between_the_two():
    for library in BOTH:
        library.manual_seed(6)
        library.rand(700), library.randn(3)
    ours, theirs = cutaway.get_rng_state(), torch.get_rng_state()
    assert isinstance(ours, cutaway.Tensor)
    assert ours.dtype == cutaway.uint8 and ours.shape == theirs.shape
    assert ours.tolist() == theirs.tolist()
    expected = torch.randn(20).numpy()
    cutaway.set_rng_state(cutaway.tensor(theirs.numpy()))
    np.testing.assert_allclose(cutaway.randn(20).numpy(), expected, rtol=1e-6)
    g = cutaway.Generator()
    g.set_state(ours)
    np.testing.assert_allclose(cutaway.randn(20, generator=g).numpy(), expected, rtol=1e-6)


def test_dropout_spends_no_words():
    """It differs from PyTorch's, which draws its masks from the same stream."""
    draws = []
    for p in (0.0, 0.5):
        cutaway.manual_seed(1)
        cutaway.nn.functional.dropout(cutaway.ones(1000), p)
        draws.append(cutaway.rand(5).tolist())
    assert draws[0] == draws[1] == torch.rand(5, generator=torch.Generator().manual_seed(1)).tolist()
    masks = []
    for seed in (1, 1, 2):
        cutaway.manual_seed(seed)
        cutaway.rand(17)  # words spend no blocks
        masks.append(cutaway.nn.functional.dropout(cutaway.ones(1000), 0.5).tolist())
    assert masks[0] == masks[1] != masks[2]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("power", [3, 3.0, -2, -1, -0.5])
def test_small_powers_are_multiplied_out(power, dtype):
    def program(m):
        x = (m.rand(500, dtype=getattr(m, dtype)) * 6 - (0 if power == -0.5 else 3)).requires_grad_()
        y = x**power
        (y * m.rand(500, dtype=getattr(m, dtype))).sum().backward()
        return [y, x.grad] if power == 3 else y

    agree(program, 0)
