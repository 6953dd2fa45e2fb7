"""Every recipe trains; a copy can be changed; a broken one is refused with a reason."""

import dataclasses
import json
import math

import numpy as np
import pytest
from rich.console import Console

import cutaway
from cutaway.core.errors import ArgumentError
from cutaway.train import build, recipe, run
from cutaway.train.settings import Settings
from cutaway.train.task import Task
from cutaway.train.trainer import Trainer

# name: parameters, images, steps, and the loss that the mean of the last five steps must be under
SIZES = {
    "gates": (6 * 12 + 12 + 12 * 2 + 2, 16, 60, 0.45),
    "mnist-mlp": (784 * 50 + 50 + 50 * 10 + 10, 1000, 60, 1.5),
    "mnist-cnn": (30 * 25 + 30 + 30 * 144 * 100 + 100 + 1000 + 10, 500, 8, 2.2),
    "mnist-deep": (
        sum(i * o * 9 + o for i, o in [(1, 16), (16, 16), (16, 32), (32, 32), (32, 64), (64, 64)])
        + 1024 * 50 + 50 + 500 + 10,
        300, 8, 2.3,
    ),
}  # fmt: skip


def a_trainer(name, **options):
    r = recipe.find(name)
    s = r.config(**options)
    return Trainer(r, r.data(s), s)


def test_all_recipes_are_listed():
    assert recipe.names() == list(SIZES)
    assert all(recipe.find(name).summary.endswith(".") for name in SIZES)


@pytest.mark.parametrize("name", SIZES)
def test_a_recipe_learns_in_a_few_steps(name):
    parameters, limit, steps, bound = SIZES[name]
    options = {} if name == "gates" else {"limit": limit, "batch_size": 50, "dropout": 0.0, "shift": 0}
    if name != "gates":
        options |= {"schedule": "constant", "lr": 1.0 if name == "mnist-mlp" else 0.001}
    if name != "gates":  # the book's small weights need some hundred steps before anything is seen
        options["init"] = "xavier" if name == "mnist-mlp" else "he"
    t = a_trainer(name, **options)
    assert sum(p.numel() for p in t.model.parameters()) == parameters
    for _ in range(steps):
        t.train_step()
    classes = len(t.task.classes)
    assert t.losses[0] == pytest.approx(math.log(classes), abs=2.5 if name == "mnist-deep" else 0.5)
    assert np.mean(t.losses[-5:]) < bound
    assert np.mean(t.losses[-5:]) < t.losses[0]


def test_the_default_is_the_deep_one():
    assert recipe.DEFAULT == "mnist-deep"
    kinds = [type(m).__name__ for m in a_trainer("mnist-deep", limit=10).model]
    assert kinds.count("Conv2d") == 6
    assert kinds.count("MaxPool2d") == 3
    assert kinds[-5:] == ["Linear", "ReLU", "Dropout", "Linear", "Dropout"]


def test_the_books_settings_of_the_mlp():
    s = recipe.find("mnist-mlp").config()
    assert (s.optimizer, s.lr, s.batch_size, s.epochs, s.init) == ("sgd", 0.1, 100, 17, "0.01")
    t = a_trainer("mnist-mlp")
    assert t.steps == 17 * 600
    assert t.model[1].weight._data.std() == pytest.approx(0.01, rel=0.02)
    assert (t.model[1].bias._data == 0).all()


def test_gates_are_learned_for_good(tmp_path):
    code = run.start("gates", {"seed": 1}, tmp_path / "run", Console(quiet=True))
    assert code == 0
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert all(f"<h3>{gate}</h3>" in page for gate in ("AND", "OR", "NAND", "XOR"))
    assert "every test example was read right" in page
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["test_accuracy"] == 1.0


def test_a_copy_can_be_changed_and_trained(tmp_path):
    file = recipe.copy("mnist-mlp", tmp_path / "my_net.py")
    file.write_text(
        file.read_text().replace("50", "20").replace("Sigmoid", "ReLU").replace("epochs: int = 17", "epochs: int = 1")
    )
    code = run.start(str(file), {"limit": 200}, tmp_path / "run", Console(quiet=True))
    assert code == 0
    assert (tmp_path / "run" / "recipe.py").read_text() == file.read_text()
    assert json.loads((tmp_path / "run" / "config.json").read_text())["recipe"] == "my-net"
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert f"{784 * 20 + 20 + 200 + 10:,}</b>parameters" in page
    assert "fully connected 1 → ReLU" in page


@pytest.mark.parametrize("name", ["mnist-mlp", "mnist-cnn", "mnist-deep"])
def test_a_recipe_fits_other_images(name):
    r = recipe.find(name)
    s = dataclasses.replace(r.config(), dropout=0.0)
    out = r.model((3, 32, 32), 10, s).eval()(cutaway.zeros(2, 3, 32, 32))
    assert out.shape == (2, 10)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("x = 1\n", "defines no model"),
        ("def model(shape, classes, config): ...\n", "defines no class Config"),
        ("class Config: ...\ndef model(shape, classes, config): ...\n", "defines no class Config"),
    ],
)
def test_a_recipe_without_its_parts_is_refused(tmp_path, source, reason):
    file = tmp_path / "mine.py"
    file.write_text(source)
    with pytest.raises(ArgumentError, match=reason):
        recipe.find(str(file))


MINE = (
    "from dataclasses import dataclass\nfrom cutaway.train.settings import Settings\n"
    "@dataclass(frozen=True)\nclass Config(Settings):\n    epochs: int = 3\ndef model(*a): return 5\n"
)


def test_a_config_that_is_no_dataclass_is_refused(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    assert recipe.find(str(file)).config().epochs == 3
    file.write_text(MINE.replace("@dataclass(frozen=True)\n", ""))
    with pytest.raises(ArgumentError, match=r"write @dataclass\(frozen=True\) above it"):
        recipe.find(str(file))


def test_a_model_that_is_no_module_is_refused(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    with pytest.raises(ArgumentError, match=r"must return an nn\.Module, got int"):
        a_trainer(str(file), limit=10)


def test_unknown_recipes_are_refused(tmp_path):
    with pytest.raises(ArgumentError, match=r"no 'mnist-dep'; did you mean mnist-deep\?"):
        recipe.find("mnist-dep")
    with pytest.raises(ArgumentError, match="no file"):
        recipe.find(str(tmp_path / "none.py"))


def test_copy_overwrites_nothing(tmp_path):
    (tmp_path / "mine.py").write_text("precious")
    with pytest.raises(ArgumentError, match="exists already"):
        recipe.copy("gates", tmp_path / "mine.py")
    assert (tmp_path / "mine.py").read_text() == "precious"
    with pytest.raises(ArgumentError, match=r"must end in \.py"):
        recipe.copy("gates", tmp_path / "mine.txt")


def test_the_same_seed_gives_the_same_run_and_another_seed_another():
    options = {"limit": 300, "batch_size": 50, "dropout": 0.5, "shift": 2, "epochs": 2}

    def losses(seed):
        t = a_trainer("mnist-mlp", seed=seed, **options)
        while not t.finished:
            t.train_step()
        return t.losses

    first = losses(1)
    assert losses(1) == first
    assert losses(2) != first


def test_every_image_is_seen_once_an_epoch():
    t = a_trainer("mnist-mlp", limit=230, batch_size=100, epochs=2)
    assert (t.batches.per_epoch, t.steps) == (3, 6)
    plain = t.task.train.gather(np.arange(230))[0].numpy().reshape(230, -1)
    for epoch in range(2):
        seen = np.concatenate([t.batches[3 * epoch + i][0].numpy().reshape(-1, 784) for i in range(3)])
        assert seen.shape == plain.shape
        assert not np.array_equal(seen, plain)
        np.testing.assert_array_equal(seen[np.lexsort(seen.T)], plain[np.lexsort(plain.T)])
    assert [len(t.batches[i][1]) for i in range(3)] == [100, 100, 30]
    first, again = t.batches[1][0].numpy(), t.batches[1][0].numpy()
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("name", build.OPTIMIZERS)
def test_every_optimiser_runs_and_resumes(name):
    options = {"limit": 200, "batch_size": 20, "optimizer": name, "lr": 0.01, "weight_decay": 1e-4, "dropout": 0.2}
    straight = a_trainer("mnist-mlp", **options)
    for _ in range(6):
        straight.train_step()
    first = a_trainer("mnist-mlp", **options)
    for _ in range(3):
        first.train_step()
    weights = {k: v.detach().clone() for k, v in first.model.state_dict().items()}
    state = first.state()
    second = a_trainer("mnist-mlp", **options)
    second.model.load_state_dict(weights)
    second.load_state(state)
    for _ in range(3):
        second.train_step()
    assert second.losses == straight.losses
    for (path, a), (_, b) in zip(straight.model.named_parameters(), second.model.named_parameters(), strict=True):
        np.testing.assert_array_equal(a._data, b._data, err_msg=path)


@pytest.mark.parametrize(
    ("name", "course"),
    [
        ("constant", lambda p: 1.0),
        ("cosine", lambda p: (1 + math.cos(math.pi * p)) / 2),
    ],
)
def test_schedules(name, course):
    t = a_trainer("mnist-mlp", limit=100, batch_size=10, epochs=2, schedule=name, lr=0.1)
    rates = []
    for _ in range(t.steps):
        rates.append(t.optimizer.param_groups[0]["lr"])
        t.train_step()
    assert rates == pytest.approx([0.1 * course(i / t.steps) for i in range(t.steps)])


def test_one_cycle_rises_to_the_rate_and_falls_to_almost_nothing():
    t = a_trainer("mnist-mlp", limit=100, batch_size=10, epochs=4, schedule="one-cycle", lr=0.1)
    rates = []
    for _ in range(t.steps):
        rates.append(t.optimizer.param_groups[0]["lr"])
        t.train_step()
    top = int(np.argmax(rates))
    assert rates[0] == pytest.approx(0.004)
    assert rates[top] == pytest.approx(0.1, rel=0.02)
    assert 0.25 < top / t.steps < 0.35
    assert rates[-1] < 0.001


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"epochs": 0}, "--epochs must be 1 or more, got 0"),
        ({"batch_size": 0}, "--batch-size must be 1 or more"),
        ({"lr": 0.0}, "--lr must be a number above 0"),
        ({"lr": float("nan")}, "--lr must be a number above 0"),
        ({"lr": float("inf")}, "--lr must be a number above 0"),
        ({"dropout": 1.0}, "--dropout is the share to drop"),
        ({"dropout": -0.1}, "--dropout is the share to drop"),
        ({"weight_decay": -1.0}, "--weight-decay must be 0 or more"),
        ({"weight_decay": float("nan")}, "--weight-decay must be 0 or more"),
        ({"seed": -1}, "--seed must be 0 or more"),
        ({"shift": -1}, "--shift must be 0 or more"),
        ({"limit": 0}, "--limit must be 1 or more"),
        ({"limit": 60_001}, "--limit 60001: mnist has 60000 training images"),
        ({"eval_every": 0}, "--eval-every must be 1 or more"),
        ({"optimizer": "adma"}, r"--optimizer: there is no 'adma'; did you mean adam\?"),
        ({"schedule": "cosin"}, r"--schedule: there is no 'cosin'; did you mean cosine\?"),
        ({"init": "hee"}, "hee"),
        ({"init": "-1"}, "-1"),
        ({"data": "mnsit"}, r"--data: there is no 'mnsit'; did you mean mnist\?"),
    ],
)
def test_impossible_settings_are_refused(options, reason):
    with pytest.raises(ArgumentError, match=reason):
        a_trainer("mnist-mlp", **options)


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="holds none of mnist, fashion_mnist, cifar10"):
        a_trainer("mnist-mlp", data=str(tmp_path))


def test_a_diverging_run_stops_and_says_so(tmp_path):
    with pytest.raises(ArgumentError, match=r"the loss became .* at step \d+ .*try a lower --lr"):
        run.start("mnist-mlp", {"limit": 400, "lr": 1e38, "epochs": 5}, tmp_path / "run", Console(quiet=True))


def test_a_run_folder_is_not_overwritten(tmp_path):
    run.start("gates", {"epochs": 1}, tmp_path / "run", Console(quiet=True))
    with pytest.raises(ArgumentError, match="holds a run already"):
        run.start("gates", {"epochs": 1}, tmp_path / "run", Console(quiet=True))


def test_a_recipe_may_bring_its_own_data(tmp_path):
    file = tmp_path / "line.py"
    file.write_text(
        "from dataclasses import dataclass\n"
        "import cutaway\n"
        "from cutaway import nn\n"
        "from cutaway.data import TensorDataset\n"
        "from cutaway.train.settings import Settings\n"
        "from cutaway.train.task import Task\n"
        "@dataclass(frozen=True)\n"
        "class Config(Settings):\n    lr: float = 0.1\n"
        "def data(config):\n"
        "    x = cutaway.linspace(-1, 1, 40)[:, None]\n"
        "    both = TensorDataset(x, (x[:, 0] > 0).long())\n"
        "    return Task(both, both, ('low', 'high'), (1,))\n"
        "def model(shape, classes, config):\n    return nn.Linear(1, classes)\n"
    )
    r = recipe.find(str(file))
    assert isinstance(r.data(r.config()), Task)
    assert run.start(str(file), {"epochs": 30}, tmp_path / "run", Console(quiet=True)) == 0
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["test_accuracy"] > 0.9


def test_settings_are_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().lr = 1.0
