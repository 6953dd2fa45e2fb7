"""`cutaway.onnx.export`: a forward as an ONNX file.

trace     the forward run on symbols, once for each dynamic axis more          trace.py  dynamic.py
graph     the traces laid on one another                                       graph.py  sizes.py
nodes     composites and ops become nodes, from the results backwards          write.py  nodes/
file      protobuf                                                             file.py  program.py
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import numpy as np

from cutaway.core.errors import ArgumentError, ArgumentTypeError, ExportError
from cutaway.core.tensor import Tensor
from cutaway.engine.surroundings import is_module, modules_of
from cutaway.engine.trace import map_structure
from cutaway.interop.onnx import dynamic, file
from cutaway.interop.onnx.graph import Merged
from cutaway.interop.onnx.naming import Names, finished
from cutaway.interop.onnx.nodes import COMPOSITES, OPS
from cutaway.interop.onnx.program import ONNXProgram
from cutaway.interop.onnx.trace import Traced, run
from cutaway.interop.onnx.write import Writer

OLDEST, USUAL = 13, 18  # opsets


class TrainingMode(IntEnum):
    """The mode in which the model is exported."""

    EVAL = 0
    PRESERVE = 1
    TRAINING = 2


class OperatorExportTypes(IntEnum):
    """Which operators may be in the file; there is one answer."""

    ONNX = 0


_exporting = False


def is_in_onnx_export() -> bool:
    """True while a model is being exported."""
    return _exporting


def export(
    model: Callable[..., Any],
    args: Any = (),
    f: Any = None,
    *,
    kwargs: dict[str, Any] | None = None,
    verbose: bool | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    opset_version: int | None = None,
    dynamo: bool = True,
    external_data: bool = True,
    dynamic_shapes: Any = None,
    custom_translation_table: Any = None,
    report: bool = False,
    optimize: bool = True,
    verify: bool = False,
    profile: bool = False,
    dump_exported_program: bool = False,
    artifacts_dir: Any = ".",
    export_params: bool = True,
    keep_initializers_as_inputs: bool = False,
    dynamic_axes: Any = None,
    training: Any = TrainingMode.EVAL,
    operator_export_type: Any = OperatorExportTypes.ONNX,
    do_constant_folding: bool = True,
    custom_opsets: Any = None,
    export_modules_as_functions: Any = False,
    autograd_inlining: bool = True,
    fallback: bool = False,
) -> ONNXProgram | None:
    """Write the forward of `model` (a Module or a function) as an ONNX file, and return it as an ONNXProgram.

    args, kwargs        the arguments of one call; Tensors become inputs, anything else is fixed in the file
    f                   a path, or a file open for writing bytes; None: only the program is returned
    input_names         of the Tensors among the arguments, in order; by default the parameters of forward
    output_names        of the results; by default `output`, or `output_0`, ...
    opset_version       13 to the newest that the onnx package knows; 18 by default
    dynamic_axes        {"x": {0: "batch"}}: dimensions that may have any size; dynamic_shapes says the same
    export_params       False: parameters become inputs, without numbers
    keep_initializers_as_inputs   True: parameters are in the file, and inputs that a caller may give, too
    do_constant_folding           False: what is made of parameters alone is computed when the file runs
    training            EVAL puts the model into eval mode for the export, PRESERVE leaves it as it is; in TRAINING mode
                        dropout and batch norm have no node and are refused
    verify              True: run the file under onnxruntime and compare
    verbose             True: print the nodes
    external_data       taken, but numbers go to a second file, NAME.data, only beyond two gigabytes
                        (`ONNXProgram.save(..., external_data=True)` asks for it)

    dynamo=False returns None, as in PyTorch. optimize, autograd_inlining, fallback and artifacts_dir make no difference.
    Raises ExportError, naming the op, the line and the layer, for what ONNX cannot say; ArgumentError for options that
    cannot be honoured; MissingLibrary where onnx is not installed.
    """
    global _exporting
    file.library()
    _refuse_options(
        custom_translation_table=custom_translation_table, custom_opsets=custom_opsets, report=report, profile=profile,
        dump_exported_program=dump_exported_program, export_modules_as_functions=export_modules_as_functions,
    )  # fmt: skip
    if int(operator_export_type) != 0:
        raise ArgumentError("onnx.export: operator_export_type must be ONNX; there are no other operators")
    if f is None and not dynamo:
        raise ArgumentError("onnx.export: with dynamo=False nothing is returned; give f, the path of the file to write")
    opset = _opset(opset_version)
    compiled = sys.modules.get("cutaway.engine.compile")
    if compiled is not None and isinstance(model, compiled.Compiled):
        model = model.fn
    model = getattr(model, "_orig_mod", model)  # of cutaway.compile(module)
    if not callable(model):
        raise ArgumentTypeError(f"onnx.export: the model must be a Module or a function, got {type(model).__name__}")
    args, kwargs = _arguments(model, args, kwargs)
    names = Names(model, args, kwargs, input_names, output_names)
    _exporting = True
    try:
        with _mode(model, TrainingMode(int(training))):
            parts = _parts(
                model, args, kwargs, names, opset, dynamic_axes, dynamic_shapes, export_params, do_constant_folding
            )
            program = ONNXProgram(parts)
            if verify:
                _compare(program, model(*args, **kwargs), names.tensors)
    finally:
        _exporting = False
    if verbose:
        print(program)
    if f is not None:
        file.save(parts, f, export_params, keep_initializers_as_inputs or not export_params)
    return program if dynamo else None


def _parts(
    model: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    names: Names,
    opset: int,
    dynamic_axes: Any,
    dynamic_shapes: Any,
    export_params: bool,
    folding: bool,
) -> file.Parts:
    known = {id(t): name for m in modules_of(model) for name, t in _held(m)}
    known |= names.parameters(modules_of(model))

    def at(tensors: Sequence[Tensor]) -> Traced:
        given = iter(tensors)

        def put(x: Any) -> Any:
            return next(given) if isinstance(x, Tensor) else map_structure(put, x)

        a, k = put(args), put(kwargs)
        return run(model, a, k, known)

    ndims = [t.ndim for t in names.tensors]
    places: dynamic.Places = {}
    asked: dict[tuple[str, int], str] = {}
    if dynamic_shapes:
        places = dynamic.from_shapes(dynamic_shapes, names.structure, names.inputs, ndims)
    elif dynamic_axes:
        places, asked = dynamic.from_axes(dynamic_axes, names.inputs, names.asked_outputs, ndims)
    traces, symbols = dynamic.traces(places, names.tensors, at)
    _refuse_writes(traces[0])
    merged = Merged(traces, symbols, folding and export_params)
    if not merged.outputs:
        raise ExportError("onnx.export: the forward returns no Tensor; return what is to be computed")
    writer = Writer(merged, opset, names.inputs, OPS, COMPOSITES)
    results = writer.write()
    title = type(model).__name__ if is_module(model) else getattr(model, "__name__", "function")
    return finished(writer, results, names, traces[0].structure, asked, title)


def _held(module: Any) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_buffers()
    yield from module.named_parameters()


def _refuse_writes(traced: Traced) -> None:
    written = [w.name for w in traced.graph.writes if w.tensor is not None]
    if written:
        raise ExportError(
            f"onnx.export: the forward writes to {', '.join(written)}, and a file has no memory between calls; call "
            "model.eval(), as batch norm outside training writes nothing, or keep such state outside"
        )


def _opset(asked: int | None) -> int:
    newest = file.library().defs.onnx_opset_version()
    opset = USUAL if asked is None else asked
    if not isinstance(opset, int) or not OLDEST <= opset <= newest:
        raise ArgumentError(
            f"onnx.export: opset_version must be {OLDEST} to {newest}, the newest of the installed onnx, got {asked!r}"
        )
    return opset


def _refuse_options(**options: Any) -> None:
    for name, value in options.items():
        if value:
            raise ArgumentError(f"onnx.export: {name} is not offered; leave it out")


def _arguments(model: Any, args: Any, kwargs: dict[str, Any] | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and named arguments; PyTorch's older way put the named ones into a dict at the end of `args`."""
    if isinstance(args, list):
        args = tuple(args)
    if not isinstance(args, tuple):
        args = (args,)
    if args and isinstance(args[-1], dict) and kwargs is None:
        forward = model.forward if is_module(model) else model
        named = inspect.signature(forward).parameters
        if all(k in named for k in args[-1]):
            return args[:-1], dict(args[-1])
    return args, dict(kwargs or {})


@contextmanager
def _mode(model: Any, mode: TrainingMode) -> Iterator[None]:
    """The mode of all layers, for as long as this lasts."""
    modules = [m for root in modules_of(model) for m in root.modules()]
    before = [m.training for m in modules]
    try:
        if mode is not TrainingMode.PRESERVE:
            for m in modules:
                m.training = mode is TrainingMode.TRAINING
        yield
    finally:
        for m, training in zip(modules, before):
            m.training = training


def _compare(program: ONNXProgram, result: Any, tensors: Sequence[Tensor]) -> None:
    """Raise ExportError unless the file computes what the model does."""
    expected: list[Tensor] = []

    def collect(x: Any) -> Any:
        if isinstance(x, Tensor):
            expected.append(x)
            return x
        return map_structure(collect, x)

    collect(result)
    for k, (ours, theirs) in enumerate(zip(expected, program(*tensors), strict=True)):
        a, b = ours.detach().numpy(), theirs.numpy()
        if not np.allclose(a, b, rtol=1e-3, atol=1e-5, equal_nan=True):
            raise ExportError(
                f"onnx.export: verify: result {k} of the file differs from the model's by {np.abs(a - b).max():.2g}"
            )
