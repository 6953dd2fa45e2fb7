"""Every exception a user can meet. Each is also the built-in class that PyTorch's users already catch.

Where PyTorch raises one class from its Python code and another, mostly RuntimeError, from its C++ code, it is both.
"""

from __future__ import annotations

from pickle import UnpicklingError


class CutawayError(Exception):
    """Mixin of all errors that Cutaway raises on purpose; the text names the op, the shapes and a fix.

    `layer` is filled in while the error leaves a model: "features.3 (Conv2d)"; the text then ends with it, and with `story`,
    the shapes layer by layer.
    """

    layer: str = ""
    story: str = ""

    def __str__(self) -> str:
        text = Exception.__str__(self)
        return f"{text}, in layer {self.layer}{self.story}" if self.layer else text


class ShapeError(CutawayError, RuntimeError, ValueError):
    """Shapes disagree."""


class DTypeError(CutawayError, NotImplementedError, TypeError):
    """An operation has no meaning for this dtype, or is not written for it (NotImplementedError is a RuntimeError)."""


class ComplexError(DTypeError):
    """An operation has no meaning for complex numbers, or is not written for them."""


class IndexOutOfRange(CutawayError, IndexError, RuntimeError):
    """A dimension or an index lies outside the tensor."""


class ArgumentError(CutawayError, ValueError, RuntimeError):
    """An argument or a hyper-parameter has an impossible value."""


class LinAlgError(ArgumentError):
    """A matrix is singular, or not positive definite."""


class AssertedError(ArgumentError, AssertionError):
    """The same, where PyTorch's Python code asserts it."""


class AssertedShape(ShapeError, AssertionError):
    """Shapes disagree, where PyTorch's Python code asserts that they do not."""


class UnwrittenMode(ArgumentError, NotImplementedError):
    """A way of doing it that is not there, where PyTorch's code says that it is not written."""


class UnwrittenShape(ShapeError, NotImplementedError):
    """A way of doing it that is not there for so many dimensions, where PyTorch's code says that it is not written."""


class NameRefused(ArgumentError, KeyError):
    """A name that is taken or cannot be one, or an entry that a dict should have."""


class ArgumentTypeError(CutawayError, TypeError):
    """An argument has the wrong Python type."""


class KindError(ArgumentTypeError, ArgumentError):
    """Data of which no tensor can be made, or a seed that is no number."""


class IndexTypeError(ArgumentTypeError, IndexOutOfRange):
    """What stands in the brackets is no index."""


class GradError(CutawayError, RuntimeError):
    """The graph cannot give the gradient that was asked for."""


class AnomalyError(CutawayError, RuntimeError):
    """An operation made NaN or Inf out of finite numbers, and it reached the loss, a gradient or a parameter.

    op, direction   the operation, and whether its "forward" or its "backward" did it
    line            the user's line (of a backward: that of the forward call);  layer: where in the model
    cause           a word: log, exp, div, sqrt, pow, overflow, learning rate, data, ...
    steps           the operations that led there, as text
    """

    op: str = ""
    direction: str = ""
    line: str = ""
    cause: str = ""
    steps: tuple[str, ...] = ()


class GradcheckError(CutawayError, RuntimeError):
    """A gradient differs from its numerical estimate; `report` says where and why."""

    report: object = None


class DeviceError(CutawayError, RuntimeError, AssertionError):
    """A device that does not exist here: of a GPU that was not built in, PyTorch's Python code asserts it."""


class FileFormatError(CutawayError, RuntimeError):
    """A file is corrupt, truncated or of another format."""


class UnsafeFileError(FileFormatError, UnpicklingError):
    """A file asks for more than data: a class or a function that loading does not know. Nothing was executed."""


class TraceError(CutawayError, RuntimeError):
    """A program cannot be staged: it asks for values that are known only when it runs."""


class ExportError(CutawayError, RuntimeError):
    """A program has a part that the file's format cannot say."""


class MissingLibrary(CutawayError, ImportError):
    """A package that this needs, and Cutaway does not, is not installed."""


class WorkerError(CutawayError, RuntimeError):
    """A worker process of a DataLoader died, or raised what could not be raised again as it was."""


class WorkerTimeout(WorkerError, TimeoutError):
    """No batch came in the time that was given."""


class DownloadError(CutawayError, RuntimeError):
    """No mirror gave the file."""


class StateError(CutawayError, RuntimeError, ValueError):
    """A saved state does not fit the object that it is loaded into."""


class MissingFile(CutawayError, FileNotFoundError):
    """A folder lacks the files that it should hold."""


class MissingAttribute(CutawayError, AttributeError):
    """An object has no such attribute, or was used before it was set up."""


class MissingKey(CutawayError, KeyError):
    """A container has no such name."""


class NotWritten(CutawayError, NotImplementedError):
    """A method that a subclass must write was not written."""


class NoData(CutawayError, NotImplementedError, TypeError):
    """The numbers of a tensor on the device `meta` were asked for, and it has none."""


class NotForSparse(NotWritten, AttributeError):
    """An operation was given a sparse tensor and is not written for one.  Called with the operation's name.

    An AttributeError, too: what was asked for is the array that a sparse tensor does not have (core/sparse/base.py).
    final   who called the operation cannot answer either
    """

    def __init__(self, op: str = "", final: bool = True) -> None:
        super().__init__(f"{op or 'this operation'}: not written for sparse tensors; call .to_dense() first")
        self.final = final and op != ""
