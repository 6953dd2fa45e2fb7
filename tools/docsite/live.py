"""For mkdocstrings: what reading the source does not tell, but the imported package does.

mkdocstrings reads the files without running them (Griffe). A name that is made while the package loads is put in here:
as an alias of the definition it comes from, or with the signature and docstring of the object. Docstrings become
Markdown.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import griffe

from docsite import SRC, names, prose


class Live(griffe.Extension):
    """Puts names and docstrings into the package once it has been read."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """All of it, at once."""
        if pkg.path != "cutaway":
            return
        for thing in _things(pkg):
            if thing.docstring:
                _told(thing)
        for package in names.PACKAGES:
            for name in names.names(package):
                if not name.is_value:
                    _put(pkg, name)


def _things(where: griffe.Module | griffe.Class) -> Iterator[Any]:
    """Everything that is written down, from the package inwards."""
    yield where
    for member in where.members.values():
        if not member.is_alias:
            if member.is_module or member.is_class:
                yield from _things(member)
            else:
                yield member


# --- docstrings -------------------------------------------------------------------------------------------------------


@cache
def _paths() -> dict[str, str]:
    """Where full paths lead, with or without "cutaway.", and the names of the package's own classes, such as errors."""
    every = [n for package in names.PACKAGES for n in names.names(package) if not n.is_value]
    found = {n.name: n.path for n in names.names("cutaway") if inspect.isclass(n.value)}
    return found | {key: n.path for n in every for key in (n.path, n.path.removeprefix("cutaway."))}


@cache
def _links_of(module: str) -> dict[str, str]:
    """Where the words of a module's docstrings lead: to its package's names, too."""
    package = {"cutaway.functional": "cutaway.nn.functional"}.get(module.rpartition(".")[0], module)
    while package not in names.PACKAGES:
        package = package.rpartition(".")[0]
    return _paths() | {n.name: n.path for n in names.names(package) if not n.is_value}


def _told(thing: Any) -> None:
    """Its docstring in Markdown, with the way to its source."""
    arguments = frozenset(p.name for p in _parameters(thing))
    module = thing.path if thing.is_module else thing.module.path
    text = prose.markdown(inspect.cleandoc(thing.docstring.value), prose.Words(_links_of(module), arguments, thing.name))
    thing.docstring.value = text if thing.is_module else f"{_source(thing.filepath, thing.lineno)}\n\n{text}"


def _parameters(thing: Any) -> Any:
    if thing.is_class:
        return next((m.parameters for m in (thing.members.get("__init__"),) if m and m.is_function), ())
    return thing.parameters if thing.is_function else ()


def _source(file: Path, line: int | None) -> str:
    """A link to the page of a source file; the hook knows where that is."""
    where = Path(file).resolve().relative_to(SRC).as_posix()
    return f'[source](source:src/{where}#{line or 1}){{ .source title="{where}, line {line or 1}" }}'


# --- names ------------------------------------------------------------------------------------------------------------


def _put(pkg: griffe.Module, name: names.Name) -> None:
    """See that the package has the name, and that it says what it is."""
    owner, found = _look(pkg, name.package), _look(pkg, name.path)
    home = _look(pkg, name.home) if name.home else None
    home = home if home is not None and home.kind in (griffe.Kind.FUNCTION, griffe.Kind.CLASS) else None
    if found is not None and found.kind in (griffe.Kind.FUNCTION, griffe.Kind.CLASS):
        if not found.docstring and inspect.getdoc(name.value):
            found.docstring = _docstring(name)
    elif isinstance(name.value, property):
        owner.set_member(name.name, _attribute(name))
    elif home is not None and name.package == "cutaway" and home.parent.is_class:
        owner.set_member(name.name, _as_function(name, home))
    elif home is not None:
        owner.set_member(name.name, griffe.Alias(name.name, home, parent=owner))
    else:
        owner.set_member(name.name, _function(name))
    if inspect.isclass(name.value) and dataclasses.is_dataclass(name.value):
        _fields(pkg, name)
    formula, made = getattr(name.value, "formula", ""), _look(pkg, name.path)
    if formula and isinstance(formula, str) and made.docstring and "$$" not in made.docstring.value:
        said, raises, errors = made.docstring.value.partition("\n\n**Raises**")
        made.docstring.value = f"{said}\n\n$$\n{formula}\n$$\n{raises}{errors}"


def _look(pkg: griffe.Module, path: str) -> Any:
    """The object at a path, through aliases; None if there is none."""
    try:
        found = pkg[path.removeprefix("cutaway.")] if path != "cutaway" else pkg
        return found.final_target if found.is_alias else found
    except (KeyError, griffe.AliasResolutionError, griffe.CyclicAliasError):
        return None


def _docstring(name: names.Name) -> griffe.Docstring:
    _, line = name.line
    text = prose.markdown(inspect.getdoc(name.value) or "", prose.Words(_links_of(name.package), own=name.name))
    try:
        file = inspect.getsourcefile(inspect.getmodule(name.bare))  # type: ignore[arg-type]
    except TypeError:
        file = None
    return griffe.Docstring(f"{_source(Path(file), line)}\n\n{text}" if file else text)


def _attribute(name: names.Name) -> griffe.Attribute:
    made = griffe.Attribute(name.name, docstring=_docstring(name))
    made.labels.add("property")
    return made


def _function(name: names.Name, skip: int = 0) -> griffe.Function:
    """A function as the object itself says it is."""
    try:
        signature = inspect.signature(name.value)
    except (TypeError, ValueError):
        signature = inspect.Signature()
    kinds = list(griffe.ParameterKind)
    made = griffe.Parameters(
        *(
            griffe.Parameter(
                p.name,
                kind=kinds[int(p.kind)],
                annotation=None if p.annotation is p.empty else str(p.annotation),
                default=None if p.default is p.empty else repr(p.default),
            )
            for p in list(signature.parameters.values())[skip:]
        )
    )
    return griffe.Function(name.name, parameters=made, docstring=_docstring(name))


def _as_function(name: names.Name, method: Any) -> griffe.Function:
    """`Tensor.exp` as `cutaway.exp(input)`."""
    first, *rest = method.parameters
    tensor = griffe.Parameter("input", kind=first.kind, annotation="Tensor")
    made = griffe.Function(
        name.name,
        parameters=griffe.Parameters(tensor, *(_copy(p) for p in rest)),
        returns=method.returns,
    )
    made.docstring = griffe.Docstring(re.sub(r"\bself\b", "input", method.docstring.value)) if method.docstring else None
    return made


def _copy(p: griffe.Parameter) -> griffe.Parameter:
    """A parameter for another function."""
    return griffe.Parameter(p.name, kind=p.kind, annotation=p.annotation, default=p.default)


def _fields(pkg: griffe.Module, name: names.Name) -> None:
    """A dataclass's fields say what they are, if need be in the words of the class they are inherited from."""
    cls = _look(pkg, name.path)
    for field in dataclasses.fields(name.value):
        own = cls.members.get(field.name)
        if own is not None and own.docstring:
            continue
        for base in name.value.__mro__[1:]:
            above = _look(pkg, f"{base.__module__}.{base.__qualname__}.{field.name}")
            if above is not None and above.docstring:
                made = griffe.Attribute(field.name, docstring=griffe.Docstring(above.docstring.value))
                made.annotation = above.annotation
                made.value = own.value if own is not None and own.value is not None else above.value
                cls.set_member(field.name, made)
                break
