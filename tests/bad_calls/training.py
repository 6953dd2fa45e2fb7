"""train: checkpoints that are missing, damaged or of another model; settings that cannot be; recipes that lack a part."""

from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import cutaway
from cutaway import nn
from cutaway.core.errors import ArgumentError, ArgumentTypeError, FileFormatError

from .table import bad

WEIGHTS = {"weight": cutaway.ones(2, 3), "bias": cutaway.zeros(2)}


def checkpoint(spoil=lambda folder: None, read=None):
    """What `load` does with a checkpoint that was spoiled."""
    from cutaway.train import checkpoint as files

    with TemporaryDirectory() as name:
        folder = Path(name)
        files.save(folder, WEIGHTS, {"step": 3, "losses": cutaway.ones(4)})
        spoil(folder)
        return files.load(folder) if read is None else read(files, folder)


def edit(file, change):
    def spoil(folder):
        path = folder / file
        path.write_bytes(change(path.read_bytes()))

    return spoil


def flip(content):
    return content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]


def plain(folder):
    from safetensors.numpy import save_file

    save_file({"weight": WEIGHTS["weight"].numpy()}, folder / "model.safetensors")


def other_step(folder):
    from cutaway.train import checkpoint as files

    old = (folder / "model.safetensors").read_bytes()
    files.save(folder, WEIGHTS, {"step": 4})
    (folder / "model.safetensors").write_bytes(old)


def other_model(files, folder):
    weights, _ = files.load(folder)
    files.fit(nn.Linear(3, 5), weights, folder)


def settings(**options):
    from cutaway.train.settings import Settings

    return Settings(**options)


def recipe(text=None, name="mine.py"):
    """What `find` does with a recipe file of this text."""
    from cutaway.train import recipe as recipes

    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        if text is not None:
            path.write_text(text, encoding="utf-8")
        return recipes.find(str(path))


def copied(name, target, exists=False):
    from cutaway.train import recipe as recipes

    with TemporaryDirectory() as folder:
        path = Path(folder) / target
        if exists:
            path.write_text("")
        return recipes.copy(name, path)


def resumed(config=None, recipe=""):
    from rich.console import Console

    from cutaway.train import run

    with TemporaryDirectory() as folder:
        if config is not None:
            (Path(folder) / "config.json").write_text(config, encoding="utf-8")
            (Path(folder) / "recipe.py").write_text(recipe, encoding="utf-8")
        return run.resume(Path(folder), Console(file=StringIO()))


def built(**options):
    from cutaway.train import build

    model = nn.Linear(2, 2)
    s = settings(**options)
    build.initialize(model, s.init)
    return build.schedule(build.optimizer(model, s), s, 10)


def trained(name="gates", **options):
    from rich.console import Console

    from cutaway.train import run

    with TemporaryDirectory() as folder:
        return run.start(name, options, Path(folder) / "run", Console(file=StringIO()))


BARE = "from dataclasses import dataclass\nfrom cutaway.train.settings import Settings\n@dataclass(frozen=True)\nclass Config(Settings): pass\n"
MODEL, TRAINER = "model.safetensors", "trainer.safetensors"
ABSENT = {"torch": "absent"}

CALLS = [
    bad("checkpoint-cut", lambda t: checkpoint(edit(TRAINER, lambda c: c[:-5])), FileFormatError, TRAINER, "damaged", "start a new run", **ABSENT),
    bad("checkpoint-model-cut", lambda t: checkpoint(edit(MODEL, lambda c: c[: len(c) // 2])), FileFormatError, MODEL, "damaged", **ABSENT),
    bad("checkpoint-flipped", lambda t: checkpoint(edit(MODEL, flip)), FileFormatError, MODEL, "damaged", "SHA-256", **ABSENT),
    bad("checkpoint-empty", lambda t: checkpoint(edit(MODEL, lambda c: b"")), FileFormatError, MODEL, "damaged", **ABSENT),
    bad("checkpoint-noise", lambda t: checkpoint(edit(MODEL, lambda c: b"\xff" * 64)), FileFormatError, MODEL, "damaged", **ABSENT),
    bad("checkpoint-pickle", lambda t: checkpoint(edit(MODEL, lambda c: b"PK\x03\x04" + bytes(60))), FileFormatError, MODEL, "safetensors", **ABSENT),
    bad("checkpoint-missing", lambda t: checkpoint(lambda f: (f / MODEL).unlink()), FileFormatError, MODEL, "missing", "pair", **ABSENT),
    bad("checkpoint-trainer-missing", lambda t: checkpoint(lambda f: (f / TRAINER).unlink()), FileFormatError, TRAINER, "missing", "pair", **ABSENT),
    bad("checkpoint-of-others", lambda t: checkpoint(plain), FileFormatError, MODEL, "not one of `cutaway train`", **ABSENT),
    bad("checkpoint-exchanged", lambda t: checkpoint(other_step), FileFormatError, "step 3", "step 4", "do not belong", **ABSENT),
    bad("checkpoint-other-model", lambda t: checkpoint(read=other_model), FileFormatError, MODEL, "another model", "[2, 3]", "[5, 3]", **ABSENT),
    bad("resume-nothing", lambda t: resumed(), ArgumentError, "--resume", "config.json", "runs/NAME", **ABSENT),
    bad("resume-torn-config", lambda t: resumed("{"), FileFormatError, "config.json", "damaged", **ABSENT),
    bad("resume-empty-config", lambda t: resumed("{}"), FileFormatError, "config.json", "damaged", "recipe", **ABSENT),
    bad("resume-list-config", lambda t: resumed("[1]"), FileFormatError, "config.json", "damaged", **ABSENT),
    bad("resume-other-recipe", lambda t: resumed('{"recipe": "gates", "settings": {"moons": 3}}', BARE + "def model(*a): pass"), FileFormatError, "config.json", "moons", **ABSENT),
    # settings
    bad("epochs-0", lambda t: settings(epochs=0), ArgumentError, "--epochs", "1 or more", "0", **ABSENT),
    bad("batch-negative", lambda t: settings(batch_size=-5), ArgumentError, "--batch-size", "1 or more", "-5", **ABSENT),
    bad("lr-0", lambda t: settings(lr=0.0), ArgumentError, "--lr", "above 0", "0.001", **ABSENT),
    bad("lr-nan", lambda t: settings(lr=float("nan")), ArgumentError, "--lr", "nan", "above 0", **ABSENT),
    bad("lr-infinite", lambda t: settings(lr=float("inf")), ArgumentError, "--lr", "inf", "above 0", **ABSENT),
    bad("dropout-1", lambda t: settings(dropout=1.0), ArgumentError, "--dropout", "below 1", "1", **ABSENT),
    bad("weight-decay-negative", lambda t: settings(weight_decay=-0.1), ArgumentError, "--weight-decay", "0 or more", "-0.1", **ABSENT),
    bad("seed-negative", lambda t: settings(seed=-1), ArgumentError, "--seed", "0 or more", "-1", **ABSENT),
    bad("shift-negative", lambda t: settings(shift=-1), ArgumentError, "--shift", "0 or more", "-1", **ABSENT),
    bad("limit-0", lambda t: settings(limit=0), ArgumentError, "--limit", "1 or more", "0", **ABSENT),
    bad("eval-every-0", lambda t: settings(eval_every=0), ArgumentError, "--eval-every", "1 or more", "0", **ABSENT),
    bad("epochs-text", lambda t: settings(epochs="ten"), ArgumentTypeError, "--epochs", "'ten'", "int", **ABSENT),
    bad("optimizer-unknown", lambda t: built(optimizer="adaam"), ArgumentError, "--optimizer", "'adaam'", "did you mean adam?", **ABSENT),
    bad("schedule-unknown", lambda t: built(schedule="cosin"), ArgumentError, "--schedule", "'cosin'", "did you mean cosine?", **ABSENT),
    bad("init-unknown", lambda t: built(init="hee"), ArgumentError, "init", "'hee'", "xavier", **ABSENT),
    bad("init-negative", lambda t: built(init="-0.5"), ArgumentError, "init", "'-0.5'", "std=0.01", **ABSENT),
    bad("data-unknown", lambda t: trained("mnist-mlp", data="minst"), ArgumentError, "--data", "'minst'", "did you mean mnist?", **ABSENT),
    bad("data-empty-folder", lambda t: empty_folder(), ArgumentError, "--data", "holds none of", "mnist", **ABSENT),
    bad("diverged", lambda t: trained("gates", lr=1e38, optimizer="sgd"), ArgumentError, "loss", "lower --lr", **ABSENT),
    # recipes
    bad("recipe-unknown", lambda t: __import__("cutaway.train.recipe", fromlist=["find"]).find("mnist-depe"), ArgumentError, "recipe", "'mnist-depe'", "did you mean mnist-deep?", **ABSENT),
    bad("recipe-no-file", lambda t: recipe(), ArgumentError, "recipe", "no file", "recipes copy", **ABSENT),
    bad("recipe-no-model", lambda t: recipe(BARE), ArgumentError, "recipe", "mine.py", "model(shape, classes, config)", **ABSENT),
    bad("recipe-no-config", lambda t: recipe("def model(*a): pass"), ArgumentError, "recipe", "mine.py", "class Config(Settings)", **ABSENT),
    bad("recipe-syntax", lambda t: recipe("def model(:"), ArgumentError, "recipe", "mine.py", "line 1", **ABSENT),
    bad("recipe-copy-exists", lambda t: copied("gates", "mine.py", exists=True), ArgumentError, "recipes copy", "exists", "another name", **ABSENT),
    bad("recipe-copy-suffix", lambda t: copied("gates", "mine.txt"), ArgumentError, "recipes copy", "mine.txt", ".py", **ABSENT),
]


def empty_folder():
    with TemporaryDirectory() as folder:
        return trained("mnist-mlp", data=folder)
