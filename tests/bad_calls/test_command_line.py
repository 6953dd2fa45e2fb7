"""Bad command lines: one line that says what is wrong, exit code 2, no traceback."""

from __future__ import annotations

import sys

import pytest

from cutaway import cli

LINES = [
    ("train --epochs ten", "--epochs", "integer"),
    ("train --epochs 1.5", "--epochs", "integer"),
    ("train --epochs 0", "--epochs must be 1 or more", "0"),
    ("train --epochs", "--epochs", "requires an argument"),
    ("train --epocs 3", "--epocs", "--epochs"),
    ("train --lr much", "--lr", "valid"),
    ("train --lr -1", "--lr must be a number above 0", "-1"),
    ("train --lr nan", "--lr must be a number above 0", "nan"),
    ("train --batch-size 0", "--batch-size must be 1 or more", "0"),
    ("train --dropout 1", "--dropout", "below 1"),
    ("train --weight-decay -1", "--weight-decay must be 0 or more", "-1"),
    ("train --seed -1", "--seed must be 0 or more", "-1"),
    ("train --limit 0", "--limit must be 1 or more", "0"),
    ("train --eval-every 0", "--eval-every must be 1 or more", "0"),
    ("train mnist-mlp --limit 70000", "--limit 70000", "60000 training images"),
    ("train --optimizer sdg", "--optimizer", "did you mean sgd?"),
    ("train --schedule cosin", "--schedule", "did you mean cosine?"),
    ("train --init hee", "init", "'hee'"),
    ("train --data nowhere", "--data", "'nowhere'"),
    ("train mnist-depe", "recipe", "did you mean mnist-deep?"),
    ("train mine.py", "recipe", "mine.py"),
    ("train gates extra", "unexpected", "extra"),
    ("train --resume nowhere", "--resume", "config.json"),
    ("train gates --resume nowhere --lr 1", "--resume", "leave out RECIPE, --lr"),
    ("train gates --out file.txt", "--out", "is a file"),
    ("recipes copy", "Missing", "name"),
    ("recipes copy gates", "Missing", "file"),
    ("recipes copy nope x.py", "recipe", "'nope'"),
    ("recipes copy gates x.txt", "x.txt", ".py"),
    ("recipes copy gates file.txt", "file.txt", ".py"),
    ("recipes print", "No such command", "print"),
    ("trian", "No such command", "trian"),
    ("--verison", "--verison", "--version"),
]


@pytest.mark.parametrize(("line", "what", "detail"), LINES, ids=[line for line, *_ in LINES])
def test_one_line_and_exit_code_2(line, what, detail, tmp_path, monkeypatch, capsys):
    (tmp_path / "file.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["cutaway", *line.split()])
    with pytest.raises(SystemExit) as left:
        cli.main()
    out, err = capsys.readouterr()
    assert left.value.code == 2
    assert out == ""
    assert err.startswith("cutaway: ") and err.count("\n") == 1, err
    assert what.lower() in err.lower() and detail.lower() in err.lower(), err
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]
