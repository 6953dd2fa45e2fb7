"""Recording: `with record() as r:` around any code; then look at what happened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from cutaway.inspect.recorder import Recorder
from cutaway.inspect.story import Story


class Recording:
    """What happened inside `with record()`: every operation, value and gradient.

    Prints as a short account; `save` and `show` give a page to look around in, and a notebook shows that page.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    @cached_property
    def story(self) -> Story:
        """The recording with all boxes opened (composites that ran as one program are done again, op by op)."""
        return Story(self.recorder)

    @cached_property
    def data(self) -> dict[str, Any]:
        """The recording as plain data: docs/inspect-format.md says what is where."""
        return self.story.data()

    def to_json(self) -> str:
        """The data as JSON."""
        return json.dumps(self.data, separators=(",", ":"), allow_nan=False)

    def __repr__(self) -> str:
        r = self.recorder
        return f"<recording of {len(r.events)} operations in {len(r.scopes)} boxes, {len(r.flows)} gradients>"


@contextmanager
def record() -> Iterator[Recording]:
    """Watch the code inside: `with cutaway.inspect.record() as r: loss = model(x).sum(); loss.backward()`.

    Operations run as always, natively where they do; functions that were compiled run as they are written, so that they
    can be seen. Numbers are the same to rounding. Recordings do not nest: the inner one sees, the outer one does not.
    """
    recorder = Recorder()
    recorder.on()
    try:
        yield Recording(recorder)
    finally:
        recorder.off()
