"""Validates data with a model, and notes every fault with its place in the file and a message for the admin."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from usersyncd.config.document import Document, KeyPath
from usersyncd.nearest import closest, nearest
from usersyncd.plugin import Secret

M = TypeVar("M", bound=BaseModel)

_SHAPES = {
    "string_type": "text",
    "string_sub_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping (key: value)",
    "mapping_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
    "dataclass_type": "a mapping (key: value)",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "path_type": "a path",
}
_LIMITS = {
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "missing": "is missing",
}


def validate(document: Document, model: type[M], data: Any, path: KeyPath = ()) -> M | None:
    """An instance of ``model`` from ``data``, which is at ``path``; None if there are faults, which are noted in the
    document."""
    errors: list[ErrorDetails] = []
    try:
        # In JSON mode, strict validation accepts a list for a tuple, and text for a path or an enum, as YAML needs.
        return model.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    # Outside of the except block: no later exception may carry the input, which may contain a secret.
    _note(document, model, errors, path)
    return None


def _note(document: Document, model: type[BaseModel], errors: Sequence[ErrorDetails], path: KeyPath) -> None:
    located = [(error, *_locate(document, path, error)) for error in errors]
    shapes: dict[KeyPath, list[str]] = {}
    for error, where, tagged in located:
        if tagged and any(len(other) > len(where) and other[: len(where)] == where for _, other, _ in located):
            continue  # Another branch of the union fits better: its faults are deeper, and say more.
        if error["type"] in _SHAPES:
            shapes.setdefault(where, []).append(_SHAPES[error["type"]])
        elif error["type"] == "extra_forbidden":
            _note_unknown_key(document, model, path, where)
        elif error["type"] == "missing" and _exists(document, where):
            document.fault(where, "has no value", on_key=True)
        else:
            on_key = error["type"] == "missing" or error["loc"][-1:] == ("[key]",)
            document.fault(
                where, _words(error), on_key=on_key, hide=not on_key and _is_secret(model, where[len(path) :])
            )
    for where, expected in shapes.items():
        empty = " (it has no value)" if document.value(where) is None else ""
        message = f"must be {' or '.join(dict.fromkeys(expected))}{empty}{_quote_it(document, where, expected)}"
        document.fault(where, message, hide=_is_secret(model, where[len(path) :]))


def _locate(document: Document, path: KeyPath, error: ErrorDetails) -> tuple[KeyPath, bool]:
    """The path of an error in the file, and whether the error is in a union: its location then has steps that name the
    branch and do not exist in the file."""
    here, tagged = path, False
    steps = list(error["loc"])
    for index, step in enumerate(steps):
        last = index == len(steps) - 1
        if _exists(document, (*here, step)) or (last and error["type"] == "missing"):
            here = (*here, step)
        elif step != "[key]":
            tagged = True
    return here, tagged


def _exists(document: Document, path: KeyPath) -> bool:
    return document.node(path)[2] == path


def _quote_it(document: Document, path: KeyPath, expected: Iterable[str]) -> str:
    scalar = isinstance(document.value(path), int | float | bool)
    return ": put it in quotes" if scalar and "text" in expected else ""


def _words(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    if "error" in context:
        return str(context["error"])
    if error["type"] in _LIMITS:
        return _LIMITS[error["type"]].format_map(context)
    if error["type"] in {"too_short", "too_long"}:
        return "must not be empty" if context.get("min_length") == 1 else error["msg"]
    message = error["msg"].replace("Input should be", "must be", 1)
    return message[:1].lower() + message[1:]


# ---- what a model says of a path


def _note_unknown_key(document: Document, model: type[BaseModel], path: KeyPath, where: KeyPath) -> None:
    name = str(where[-1])
    known = {name for parent in _models_at(model, where[len(path) : -1]) for name in _keys(parent)}
    hint = nearest(name, known)
    if path and closest(name, known) is None and (right := _place_of(name, model, str(path[-1]))) is not None:
        hint = f": it belongs under {right}"
    document.fault(where, f"unknown key{hint}", on_key=True, hide=True)


def _place_of(name: str, model: type[BaseModel], root: str) -> str | None:
    """Where a model at ``root``, or a model below it, has the key ``name``; None: nowhere."""
    if name in _keys(model):
        return root
    for key, field in model.model_fields.items():
        for part in _alternatives(field.annotation):
            step = field.alias or key
            if _is_container(part):
                step, part = f"{step}.NAME", get_args(part)[-1]
            if isinstance(part, type) and issubclass(part, BaseModel) and part is not Secret and name in _keys(part):
                return step
    return None


def _keys(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield field.alias or name


def _is_secret(model: type[BaseModel], path: KeyPath) -> bool:
    """Whether the model expects a secret, or a part of a reference to one, at ``path``."""
    return Secret in _models_at(model, path) | _models_at(model, path[:-1])


def _models_at(model: type[BaseModel], path: KeyPath) -> set[type[BaseModel]]:
    """The models that may describe the value at ``path`` below ``model``."""
    here: set[type[BaseModel]] = {model}
    containers: list[Any] = []
    for step in path:
        annotations = [
            field.annotation
            for parent in here
            for name, field in parent.model_fields.items()
            if step == (field.alias or name)
        ] + containers  # fmt: skip
        here, containers = set(), []
        for annotation in annotations:
            for part in _alternatives(annotation):
                if isinstance(part, type) and issubclass(part, BaseModel):
                    here.add(part)
                elif _is_container(part):
                    containers += [argument for argument in get_args(part)[-2:] if argument is not Ellipsis][-1:]
    return here


def _alternatives(annotation: Any) -> Iterator[Any]:
    """The parts of a union, without ``Annotated``; the annotation itself if it is a container or a plain type."""
    arguments = get_args(annotation)
    if not arguments or _is_container(annotation):
        yield annotation
    elif hasattr(annotation, "__metadata__"):
        yield from _alternatives(arguments[0])
    else:
        for argument in arguments:
            yield from _alternatives(argument)


def _is_container(annotation: Any) -> bool:
    origin = getattr(annotation, "__origin__", None)
    return isinstance(origin, type) and issubclass(origin, Mapping | Sequence | frozenset | set)
