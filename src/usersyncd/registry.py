"""Finds connectors by entry point, loads only the requested ones, and checks that they implement the contract."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, cast

from msgspec import Struct
from pydantic import BaseModel

from usersyncd.errors import PluginError
from usersyncd.nearest import nearest
from usersyncd.plugin import API, Source, Target

Side = Literal["source", "target"]

_TARGET = ("Options", "capabilities", "identity", "prepare", "find", "read", "deliver", "check", "close")
_MEMBERS = {"source": ("Options", "mapping", "pull", "check"), "target": _TARGET}
_EXTRAS = {
    "google": "google",
    "googleapiclient": "google",
    "httplib2": "google",
    "keyring": "keyring",
    "ldap": "ldap",
    "msal": "entra",
    "psycopg": "postgresql",
    "pymysql": "mysql",
    "scim2_models": "scim",
}
"""Module of an optional library -> the extra of usersyncd that installs it."""


class Installed(Struct, frozen=True):
    """One installed connector. ``error``: why it cannot be used; None when it can."""

    name: str
    kind: Side
    distribution: str
    version: str
    error: str | None = None


def source(name: str) -> type[Source]:
    """The source connector of this name. Raises PluginError when it is not installed, an extra is missing, or it was
    made for another version of the contract."""
    return cast("type[Source]", _load("source", name))


def target(name: str) -> type[Target]:
    """The target connector of this name. Raises PluginError when it is not installed, an extra is missing, or it was
    made for another version of the contract."""
    return cast("type[Target]", _load("target", name))


def names(kind: Side) -> list[str]:
    """The names of the installed connectors of one kind, sorted. Does not load them."""
    return sorted({point.name for point in _points(kind)})


def installed() -> list[Installed]:
    """All installed connectors, sources first, each loaded and checked; one that fails is listed with its error."""
    return [_inspect(kind, name) for kind in ("source", "target") for name in names(kind)]


def missing_library(error: ImportError) -> str | None:
    """The command that installs the library that could not be imported (``pip install 'usersyncd[ldap]'``); None for a
    library that no extra installs."""
    extra = _EXTRAS.get((error.name or "").partition(".")[0])
    return f"pip install 'usersyncd[{extra}]'" if extra else None


def _inspect(kind: Side, name: str) -> Installed:
    from_here = _candidates(kind, name)[0]
    distribution, version = _origin(from_here)
    try:
        _load(kind, name)
    except PluginError as error:
        return Installed(name, kind, distribution, version, str(error))
    return Installed(name, kind, distribution, version)


def _points(kind: Side) -> Iterable[EntryPoint]:
    return entry_points(group=f"usersyncd.{kind}s")


def _candidates(kind: Side, name: str) -> list[EntryPoint]:
    """The entry points of this name. One distribution may be listed twice, when it is installed editable."""
    return list({(_origin(point)[0], point.value): point for point in _points(kind) if point.name == name}.values())


def _origin(point: EntryPoint) -> tuple[str, str]:
    return (point.dist.name, point.dist.version) if point.dist else ("unknown", "unknown")


@cache
def _load(kind: Side, name: str) -> Any:
    candidates = _candidates(kind, name)
    if not candidates:
        raise _unknown(kind, name)
    if len(candidates) > 1:
        packages = " and ".join(sorted(_origin(point)[0] for point in candidates))
        raise PluginError(f"the {kind} connector “{name}” is in two packages: {packages}", "uninstall one of them")
    point = candidates[0]
    distribution, version = _origin(point)
    who = f"the {kind} connector “{name}” of {distribution} {version}"
    try:
        found = point.load()
    except ImportError as error:
        install = missing_library(error)
        own = error.name is None or error.name == point.module.partition(".")[0]
        what = f"cannot be imported: {error}" if own else f"needs the Python library {error.name}"
        raise PluginError(f"{who} {what}", install or f"install {distribution} again, with its dependencies") from error
    except Exception as error:
        raise PluginError(
            f"{who} cannot be loaded: {type(error).__name__}: {error}", f"report this to the authors of {distribution}"
        ) from error
    _check(kind, who, distribution, found)
    return found


def _check(kind: Side, who: str, distribution: str, found: Any) -> None:
    api = getattr(found, "api", None)
    if api != API:
        has = (
            "has no contract version (`api`)"
            if api is None
            else f"was made for version {api} of the connector contract"
        )
        raise PluginError(
            f"{who} {has}; this usersyncd needs version {API}",
            f"install a version of {distribution} for this usersyncd",
        )
    if lacking := [member for member in _MEMBERS[kind] if not hasattr(found, member)]:
        lacks = f"it lacks {', '.join(lacking)}"
    elif _is_model(found.Options) and isinstance(found, type):
        return
    else:
        lacks = "it is not a class, or its Options is not a pydantic model"
    raise PluginError(f"{who} is not a {kind}: {lacks}", f"report this to the authors of {distribution}")


def _is_model(options: Any) -> bool:
    return isinstance(options, type) and issubclass(options, BaseModel)


def _unknown(kind: Side, name: str) -> PluginError:
    other: Side = "target" if kind == "source" else "source"
    if name in names(other):
        reads = "delivers to targets" if other == "target" else "reads directories"
        return PluginError(
            f"“{name}” is a {other} connector: it {reads}",
            f"the installed {kind} connectors are {', '.join(names(kind))}",
        )
    return PluginError(
        f"no {kind} connector “{name}” is installed{nearest(name, names(kind))}", "see `usersyncd connectors`"
    )
