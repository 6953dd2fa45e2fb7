"""SummaryWriter: tensorboardX's, which takes Tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cutaway.core.absent import absent
from cutaway.core.errors import ArgumentError, MissingLibrary
from cutaway.core.tensor import Tensor

# Of PyTorch's options what tensorboardX does not know: they choose among encodings of the same numbers.
WITHOUT = ("new_style", "double_precision", "hparam_domain_discrete")


class SummaryWriter:
    """Writes an event file to `log_dir` (by default runs/DATE_HOST and `comment`), as PyTorch's class of this name does.

    Besides the methods below it has tensorboardX's others: add_audio, add_video, add_mesh, add_custom_scalars, ...
    It is a context manager that closes itself.  Raises MissingLibrary, which says what to install, without tensorboardX.
    """

    def __init__(
        self,
        log_dir: Any = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:
        try:
            import tensorboardX
        except ImportError as e:
            raise MissingLibrary(
                "SummaryWriter: the logs are written by tensorboardX, which is not installed; "
                'run: pip install "cutaway[tensorboard]"'
            ) from e
        self._writer = tensorboardX.SummaryWriter(
            None if log_dir is None else str(log_dir), comment, purge_step, max_queue, flush_secs, filename_suffix
        )

    @property
    def log_dir(self) -> str:
        """The folder."""
        return str(self._writer.logdir)

    def get_logdir(self) -> str:
        """The folder."""
        return self.log_dir

    def add_scalar(self, tag: str, scalar_value: Any, global_step: Any = None, walltime: Any = None, **options: Any) -> None:
        """A number, or a Tensor of one element, at a step.  Raises ArgumentError for a Tensor of more."""
        self._call("add_scalar", tag, _number(tag, scalar_value), global_step, walltime, **options)

    def add_scalars(self, main_tag: str, tag_scalar_dict: Any, global_step: Any = None, walltime: Any = None) -> None:
        """Several numbers in one chart, each in a run of its own."""
        numbers = {k: _number(f"{main_tag}/{k}", v) for k, v in tag_scalar_dict.items()}
        self._call("add_scalars", main_tag, numbers, global_step, walltime)

    def add_graph(
        self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True
    ) -> None:
        """The operations of `model(*input_to_model)`, grouped by module, as Cutaway's compiler traces them.

        Raises ArgumentError without an input, TraceError where the model asks for values.
        """
        from tensorboardX.proto.event_pb2 import Event

        from cutaway.utils.tensorboard.graph import definition

        if input_to_model is None:
            raise ArgumentError("add_graph: input_to_model is needed: a Tensor, or a tuple of the model's arguments")
        graph = definition(model, input_to_model)
        if verbose:
            print(graph)
        self._writer._get_file_writer().add_event(Event(graph_def=graph.SerializeToString()))

    def add_hparams(
        self, hparam_dict: Any, metric_dict: Any, hparam_domain_discrete: Any = None, run_name: Any = None,
        global_step: Any = None,
    ) -> None:  # fmt: skip
        """Hyper-parameters, and the metrics that they led to."""
        plain = [{k: _number(k, v) for k, v in d.items()} for d in (hparam_dict, metric_dict)]
        self._call("add_hparams", *plain, run_name, global_step)

    def flush(self) -> None:
        """Write out what is waiting."""
        self._writer.flush()

    def close(self) -> None:
        """Write out what is waiting, and close the file."""
        self._writer.close()

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        if name == "_writer" or not hasattr(self._writer, name):
            raise absent("SummaryWriter", name, [*dir(type(self)), *METHODS])
        return getattr(self._writer, name)

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        given = {k: _plain(v) for k, v in kwargs.items() if k not in WITHOUT}
        return getattr(self._writer, name)(*map(_plain, args), **given)


# Named by PyTorch alike, with the same arguments in the same order.
METHODS = {
    "add_histogram": "The spread of values, a Tensor or array of any shape, at a step.",
    "add_image": "A picture[C, H, W] of numbers in 0 .. 1 or bytes; `dataformats` names another order.",
    "add_images": "Pictures[N, C, H, W].",
    "add_figure": "A matplotlib figure, or a list of them.",
    "add_text": "A text, read as Markdown.",
    "add_embedding": "Points mat[N, D] with labels and pictures, for the projector.",
    "add_pr_curve": "Precision and recall of predictions in 0 .. 1 against labels.",
    "add_audio": "Sound[1, L] in -1 .. 1.",
    "add_video": "Pictures in time[N, T, C, H, W].",
    "add_mesh": "Points, colours and faces in space.",
}


def _method(name: str, doc: str) -> Callable[..., Any]:
    def call(self: SummaryWriter, *args: Any, **kwargs: Any) -> Any:
        return self._call(name, *args, **kwargs)

    call.__name__, call.__qualname__, call.__doc__ = name, f"SummaryWriter.{name}", doc
    return call


for _name, _doc in METHODS.items():
    setattr(SummaryWriter, _name, _method(_name, _doc))


def _plain(x: Any) -> Any:
    """Tensors, also in lists, tuples and dicts, as NumPy arrays."""
    if isinstance(x, Tensor):
        return x.detach().cpu().numpy()
    if isinstance(x, (list, tuple)) and any(isinstance(i, Tensor) for i in x):
        return type(x)(_plain(i) for i in x)
    if isinstance(x, dict):
        return {k: _plain(v) for k, v in x.items()}
    return x


def _number(tag: str, x: Any) -> Any:
    if not isinstance(x, Tensor):
        return x
    if x.numel() != 1:
        raise ArgumentError(f"add_scalar: {tag!r} must be one number, got {x.dtype}{list(x.shape)}; reduce it first")
    return x.item()


