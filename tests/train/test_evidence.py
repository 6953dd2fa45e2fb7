"""What the report is drawn from agrees with the network that it is about."""

from dataclasses import replace

import numpy as np
import pytest

import cutaway
from cutaway.train import evidence, recipe
from cutaway.train.trainer import Trainer


def trained(name, steps, tests=None, **options):
    r = recipe.find(name)
    s = r.config(**options)
    task = r.data(s)
    if tests is not None:
        task = replace(task, test=task.test.head(tests))
    t = Trainer(r, task, s)
    start = {k: v.detach().clone().numpy() for k, v in t.model.named_parameters()}
    for _ in range(steps):
        t.train_step()
    return evidence.gather(r, t, [t.evaluate() | {"seconds": 1.0}]), t, start


@pytest.fixture(scope="module")
def mlp():
    return trained("mnist-mlp", 60, limit=1000, batch_size=50, lr=1.0, init="xavier")


def test_confusion_and_mistakes_agree_with_the_accuracy(mlp):
    e, t, _ = mlp
    wrong = e.confusion.sum() - np.trace(e.confusion)
    assert e.confusion.sum() == 10_000
    assert np.trace(e.confusion) / 10_000 == pytest.approx(e.metrics[-1]["test_accuracy"])
    assert len(e.mistakes) == wrong > 100
    for m in e.mistakes[:20]:
        x, y = t.task.test.gather([m.index])
        with cutaway.no_grad():
            p = t.model.eval()(x).softmax(1).numpy()[0]
        assert (m.truth, m.guess) == (int(y[0]), int(p.argmax()))
        assert m.confidence == pytest.approx(p.max(), rel=1e-4)
        np.testing.assert_array_equal(m.image, x.numpy()[0])
    assert [e.confusion[m.truth, m.guess] > 0 for m in e.mistakes].count(False) == 0


def test_before_is_the_network_before_its_first_step(mlp):
    e, t, start = mlp
    old, new = e.filters
    assert old.shape == (50, 1, 28, 28)
    np.testing.assert_array_equal(old.reshape(50, -1), start["1.weight"])
    np.testing.assert_array_equal(new.reshape(50, -1), t.model[1].weight.detach().numpy())
    spreads = {w.name: w.spread_before for w in e.parameters}
    assert spreads["4.weight"] == pytest.approx(start["4.weight"].std())
    assert spreads["1.bias"] == 0.0


def test_histograms_share_out_all_values(mlp):
    e, _, _ = mlp
    assert [h.name for h in e.histograms] == ["fully connected 1 → Sigmoid", "fully connected 2 → logits"]
    for h in e.histograms:
        assert h.before.sum() == pytest.approx(1.0, abs=0.01)
        assert h.after.sum() == pytest.approx(1.0, abs=0.01)
        assert len(h.edges) == len(h.after) + 1
    sigmoid = e.histograms[0]
    assert sigmoid.edges[0] == 0.0
    assert sigmoid.edges[-1] <= 1.0


def test_zeros_of_a_relu_are_counted_apart():
    e, _, _ = trained("mnist-cnn", 2, tests=200, limit=100, batch_size=50)
    first = e.histograms[0]
    assert first.name == "convolution 1 → ReLU"
    assert 0.05 < first.zeros_after < 0.95
    assert first.after.sum() == pytest.approx(1 - first.zeros_after, abs=0.01)
    assert e.filters[0].shape == (30, 1, 5, 5)


def test_gates_have_plates_and_no_pictures():
    e, _, _ = trained("gates", 100)
    assert [p.title for p in e.plates] == ["AND", "OR", "NAND", "XOR"]
    assert all(p.after.shape == (63, 63) and 0 <= p.after.min() <= p.after.max() <= 1 for p in e.plates)
    # The corners of the truth table lie a quarter in from the edges; the second input grows upwards.
    answers = {
        p.title: [round(float(p.after[y, x])) for y, x in ((47, 15), (47, 47), (15, 15), (15, 47))] for p in e.plates
    }
    assert answers == {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "NAND": [1, 1, 1, 0], "XOR": [0, 1, 1, 0]}
    assert (e.filters, e.mistakes) == (None, [])
    assert e.test_is_training_set
