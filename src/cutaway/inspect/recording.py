"""Recording: `with record() as r:` around any code; then look at what happened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

from cutaway.core.errors import ArgumentError
from cutaway.core.replace import replacing
from cutaway.core.tensor import Tensor
from cutaway.inspect.followed import followed
from cutaway.inspect.recorder import Recorder
from cutaway.inspect.story import Story
from cutaway.inspect.weight import Walk, walk


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

    @cached_property
    def _walks(self) -> tuple[list[dict[str, Any]], str]:
        return followed(self.story)

    def to_json(self) -> str:
        """The data as JSON."""
        return json.dumps(self.data, separators=(",", ":"), allow_nan=False)

    def walk(self, parameter: Any, *index: int, span: float = 0.0) -> Walk:
        """One element of a parameter, or of any value from outside, followed to the loss and back.

        parameter   a Tensor, or its name in `data` ("fc.weight", or a variable's)
        span        how far the loss is drawn on either side of the weight (0: half its size)

        Raises ArgumentError if it is not in the recording, if the element is not there, or if no way leads to a loss.
        """
        story = self.story
        known: dict[Any, Any] = {}
        for key in story.arrays:  # of several versions the first
            if key in story.copied:
                known.setdefault(key[0] if isinstance(parameter, Tensor) else story.names.get(key[0], ""), key)
        found = known.get(id(parameter._data) if isinstance(parameter, Tensor) else parameter)
        if found is None:
            names = ", ".join(sorted(name for name in known if isinstance(name, str) and name)) or "unnamed values only"
            raise ArgumentError(f"walk: the recording holds no such value; it holds {names}")
        return walk(story, found, index, span)

    def save(self, path: str | PathLike[str], title: str = "Recording") -> Path:
        """Write the page: one file that asks no network.  Raises ArgumentError where no file can be."""
        from cutaway.inspect.page import page

        target = Path(path)
        with replacing(target, "save") as f:
            f.write(page(self.data, *self._walks, title).encode())
        return target

    def show(self, title: str = "Recording") -> Path:
        """Write the page to a temporary folder and open it in the browser, if there is one; where it lies."""
        import tempfile
        import webbrowser

        target = self.save(Path(tempfile.mkdtemp(prefix="cutaway-")) / "recording.html", title)
        webbrowser.open(target.as_uri())
        return target

    def _repr_html_(self) -> str:
        from cutaway.inspect.page import fragment

        return fragment(self.data, *self._walks)

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
