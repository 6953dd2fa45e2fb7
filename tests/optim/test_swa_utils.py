"""Models that average the weights of others: as PyTorch's, step by step."""

import numpy as np
import pytest

import cutaway

torch = pytest.importorskip("torch")

RULES = {
    "mean": lambda u: {},
    "swa": lambda u: {"avg_fn": u.get_swa_avg_fn()},
    "swa-multi": lambda u: {"multi_avg_fn": u.get_swa_multi_avg_fn()},
    "ema": lambda u: {"avg_fn": u.get_ema_avg_fn(0.9)},
    "ema-multi": lambda u: {"multi_avg_fn": u.get_ema_multi_avg_fn(0.9), "use_buffers": True},
    "own": lambda u: {"avg_fn": lambda a, p, n: 0.3 * a + 0.7 * p * n / (n + 1), "use_buffers": False},
}


def network(t):
    t.manual_seed(0)
    return t.nn.Sequential(t.nn.Linear(3, 4), t.nn.BatchNorm1d(4), t.nn.Tanh(), t.nn.Linear(4, 1))


@pytest.mark.parametrize("rule", RULES)
def test_the_average_follows_as_pytorchs(rule):
    said = []
    for t in (cutaway, torch):
        swa = t.optim.swa_utils
        model = network(t)
        averaged = swa.AveragedModel(model, **RULES[rule](swa))
        o = t.optim.SGD(model.parameters(), lr=0.1)
        batches = [t.randn(8, 3) for _ in range(4)]
        for x in batches:
            o.zero_grad()
            model(x).pow(2).mean().backward()
            o.step()
            averaged.update_parameters(model)
        before = {k: v.numpy().copy() for k, v in averaged.state_dict().items()}
        swa.update_bn(batches, averaged)
        after = averaged.state_dict()
        said.append((before, {k: v.numpy().copy() for k, v in after.items()}, averaged.eval()(batches[0]).detach().numpy()))
        assert averaged.module is not model and int(averaged.n_averaged) == 4
    ours, theirs = said
    for a, b in zip(ours[:2], theirs[:2], strict=True):
        assert list(a) == list(b)
        for k in a:
            np.testing.assert_allclose(a[k], b[k], rtol=1e-5, atol=1e-6, err_msg=k)
    np.testing.assert_allclose(ours[2], theirs[2], rtol=1e-4, atol=1e-6)


def test_update_bn_takes_the_first_of_a_batch_and_leaves_momenta():
    model = network(cutaway)
    model.train(False)
    cutaway.optim.swa_utils.update_bn([(cutaway.ones(4, 3) * i, None) for i in range(3)], model)
    assert model[1].momentum == 0.1 and int(model[1].num_batches_tracked) == 3 and not model.training


@pytest.mark.parametrize("decay", [-0.1, 1.1])
def test_decays_that_are_none(decay):
    for f in ("get_ema_avg_fn", "get_ema_multi_avg_fn"):
        for t in (cutaway, torch):
            with pytest.raises(ValueError, match="decay"):
                getattr(t.optim.swa_utils, f)(decay)


def test_two_rules_contradict_each_other():
    with pytest.raises(ValueError, match="avg_fn or multi_avg_fn"):
        cutaway.optim.swa_utils.AveragedModel(network(cutaway), avg_fn=lambda a, p, n: a, multi_avg_fn=lambda a, p, n: a)
