"""The clock, the display and the stop: what a person sees and says while a run goes."""

import io
import os
import signal
import sys

import pytest
from rich.console import Console

from cutaway.train import recipe
from cutaway.train.clock import Clock, spoken
from cutaway.train.live import Display, sparkline
from cutaway.train.stop import Stop
from cutaway.train.trainer import Trainer


class Hands:
    """A clock's hands that a test moves."""

    def __init__(self):
        self.time = 100.0

    def __call__(self):
        return self.time


def test_the_clock_goes_on_where_an_earlier_sitting_ended():
    hands = Hands()
    clock = Clock(50.0, hands)
    hands.time += 7
    assert clock.seconds() == 57.0


def test_rate_and_time_left_come_from_steps_and_evaluations():
    hands = Hands()
    clock = Clock(0.0, hands)
    assert clock.rate == 0.0
    assert clock.left(10, 1) is None
    for taken in (0.5, 1.5):
        with clock.step(100):
            hands.time += taken
    with clock.evaluation():
        hands.time += 4
    assert clock.rate == pytest.approx(100.0)  # 200 examples in 2 seconds; evaluations do not count
    assert clock.left(30, 2) == pytest.approx(30 * 1.0 + 2 * 4)


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (0, "0:00"), (65, "1:05"), (59.6, "1:00"), (3723, "1:02:03")]
)
def test_durations_as_they_are_spoken(seconds, text):
    assert spoken(seconds) == text


def test_a_sparkline_falls_with_the_loss():
    line = sparkline([10.0 / (i + 1) for i in range(200)], width=10)
    assert len(line) == 10
    assert (line[0], line[-1]) == ("█", "▁")
    assert list(line) == sorted(line, reverse=True)
    assert len(set(sparkline([1.0, 1.0, 1.0]))) == 1


def shown(**options):
    """What a console of this kind gets from a display that follows one step and one evaluation of the gates."""
    r = recipe.find("gates")
    s = r.config()
    trainer, out = Trainer(r, r.data(s), s), io.StringIO()
    clock = Clock(0.0)
    display = Display(Console(file=out, width=100, highlight=False, **options), trainer, clock)
    with display.open():
        with clock.step(16):
            trainer.train_step()
        display.stepped()
        display.evaluated(trainer.evaluate() | {"seconds": 83.0})
    return out.getvalue()


def test_without_a_terminal_there_are_lines_and_nothing_else():
    text = shown(force_terminal=False)
    assert "\x1b" not in text
    head, line = text.splitlines()
    assert "test acc." in head
    assert line.endswith(" 1:23")
    assert len(line) == len(head)


def test_on_a_terminal_there_is_a_bar_as_well():
    text = shown(force_terminal=True)
    assert "\x1b[" in text
    assert "epoch 2 of 300" in text
    assert "━" in text
    assert "Ctrl-C stops" in text


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no such signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_asks_and_the_second_quits(number, code):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), Stop() as stop:
        assert not stop.asked
        os.kill(os.getpid(), number)
        assert stop.asked
        assert stop.exit_code == code
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before
