"""Checks that concern several parts of the file, which the models of single sections cannot make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from pydantic import BaseModel

from usersyncd import registry
from usersyncd.config.document import Document, KeyPath
from usersyncd.config.excerpt import url_password
from usersyncd.config.sections import sections
from usersyncd.errors import PluginError
from usersyncd.nearest import nearest
from usersyncd.plugin import CANONICAL, Kind, Options, StreamOptions

Connectors = dict[tuple[str, str], BaseModel]
"""(``directories`` or ``targets``, name) → the connector's options."""


def refuse_url_passwords(document: Document) -> None:
    places: list[KeyPath] = [("state",), *((part, name, "options") for part, name, _ in sections(document))]
    for place in places:
        for where, text in document.texts(place):
            if url_password(text):
                remedy = "remove it, and write password: {credential: NAME} beside the URL"
                document.fault(where, f"a URL must not contain a password: {remedy}", hide=True)


def check_references(document: Document) -> None:
    data = document.data if isinstance(document.data, dict) else {}
    known = data.get("directories")
    for part, name, section in sections(document):
        if part == "directories":
            continue
        given = section.get("directories")
        wanted = given if isinstance(given, list) else []
        for index, directory in enumerate(wanted):
            where = (part, name, "directories", index)
            if isinstance(known, dict) and isinstance(directory, str) and directory not in known:
                document.fault(where, f"there is no directory “{directory}”{nearest(directory, known)}")
            elif directory in wanted[:index]:
                document.fault(where, f"“{directory}” is listed twice")
        for kind in Kind:
            rules = section.get(f"{kind}s")
            if isinstance(rules, dict):
                _check_key(document, (part, name, f"{kind}s"), kind, rules)
        _check_leavers(document, (part, name), section)
        _check_drift(document, (part, name), section)


def _check_leavers(document: Document, place: KeyPath, section: Mapping[str, Any]) -> None:
    leavers, users = section.get("leavers"), section.get("users")
    leaving = leavers.get("set") if isinstance(leavers, dict) else None
    if not isinstance(leavers, dict) or not isinstance(leaving, dict):
        return
    if leavers.get("delete_after") == "now":
        message = "has no effect: with delete_after: now, usersyncd deletes leavers and never deactivates them"
        document.fault((*place, "leavers", "set"), message, on_key=True)
    normal = users.get("set") if isinstance(users, dict) else None
    names = normal if isinstance(normal, dict) else {}
    for name in leaving:
        where = (*place, "leavers", "set", name)
        if name not in names:
            message = "needs a normal value under users.set, such as {value: null}: users who return get it"
            document.fault(where, message, on_key=True)
        elif isinstance(users, dict) and name == users.get("key"):
            document.fault(where, "is the key that identifies a user in the target: leavers keep it", on_key=True)


def check_former_names(document: Document) -> None:
    """Note each ``was`` that is the name of a configured directory, or the former name of two directories."""
    names = {name for part, name, _ in sections(document) if part == "directories"}
    renamed: dict[str, str] = {}
    for part, name, section in sections(document):
        was = section.get("was")
        if part != "directories" or not isinstance(was, str):
            continue
        if was in names:
            whose = "its own name" if was == name else f"the name of another directory, {was}"
            remedy = f"write the former name of {name}"
            if was != name:
                remedy += f"; if names were exchanged, rename {was} first, run `usersyncd sync`, and then rename {name}"
            document.fault((part, name, "was"), f"is {whose}: {remedy}")
        elif was in renamed:
            document.fault((part, name, "was"), f"“{was}” is already the former name of {renamed[was]}")
        renamed.setdefault(was, name)


def check_shared(document: Document, options: Connectors) -> None:
    """Note two targets that write to the same objects and list the same directory, and two targets that have only some
    of their parts in common (the same table of users, but not of groups)."""
    everyone = [name for part, name, _ in sections(document) if part == "directories"]
    before: list[tuple[str, Any, Mapping[str, object], list[str]]] = []
    for part, name, section in sections(document):
        if part != "targets" or (part, name) not in options:
            continue
        given = section.get("directories")
        listed = given if isinstance(given, list) else everyone
        connector, parts = section.get("connector"), _places(options[part, name])
        for other, its, theirs, list_ in before:
            if its == connector and (message := _shared(other, parts, theirs, [x for x in listed if x in list_])):
                document.fault((part, name), message, on_key=True)
                break
        before.append((name, connector, parts, listed))


def _shared(other: str, parts: Mapping[str, object], theirs: Mapping[str, object], both: list[str]) -> str | None:
    """The fault of two targets with these parts, if any. ``both``: the directories that both list."""
    same = [part for part, place in parts.items() if theirs.get(part) == place]
    rest = [part for part in {**parts, **theirs} if part not in same]
    if rest and not {"users", "groups"}.isdisjoint(same):
        return (
            f"has the same {' and '.join(same)} as {other}, but not the same {' and '.join(rest)}: both would link the "
            "same accounts; name the same tables in both targets, or different tables in each"
        )
    if same and not rest and both:
        return (
            f"is the same target as {other} (connector and options), and both list {', '.join(both)}: give each "
            "directory to one of them, under `directories`"
        )
    return None


def _places(options: BaseModel) -> Mapping[str, object]:
    return options.places() if isinstance(options, Options) else {"objects": options}


def _check_key(document: Document, place: KeyPath, kind: Kind, rules: Mapping[str, Any]) -> None:
    key, attributes = rules.get("key"), rules.get("set")
    if isinstance(attributes, dict) and attributes and key is None:
        message = f"needs `key` beside it: which of {', '.join(attributes)} identifies a {kind} in the target?"
        document.fault((*place, "set"), message, on_key=True)
    names = CANONICAL[kind] if attributes is None else tuple(attributes) if isinstance(attributes, dict) else None
    if isinstance(key, str) and names is not None and key not in names:
        what = "a canonical attribute" if attributes is None else "one of the names under `set`"
        document.fault((*place, "key"), f"must be {what}{nearest(key, names)}")


def _check_drift(document: Document, place: KeyPath, section: Mapping[str, Any]) -> None:
    known = {"active"} | {name for kind in Kind for name in _names(section.get(f"{kind}s"), kind)}
    kept = section.get("drift")
    for name in kept if isinstance(kept, dict) else ():
        if name not in known:
            what = "the target has no such attribute"
            document.fault((*place, "drift", name), f"{what}{nearest(name, sorted(known))}", on_key=True)
    connector = section.get("connector")
    if section.get("verify") is None or not isinstance(connector, str):
        return
    try:
        capabilities = registry.target(connector).capabilities
    except PluginError:
        return
    if capabilities.find is None or not capabilities.read:
        document.fault((*place, "verify"), f"a target of the connector {connector} cannot be verified: remove `verify`")


def _names(rules: Any, kind: Kind) -> tuple[str, ...]:
    """The attributes that the records of a kind have in a target."""
    given = rules.get("set") if isinstance(rules, dict) else None
    return tuple(given) if isinstance(given, dict) else CANONICAL[kind]


def check_web(document: Document, options: Connectors) -> None:
    """Note a directory that pushes, in a file without a web service that receives it, and a web service whose libraries
    are not installed."""
    data = document.data if isinstance(document.data, dict) else {}
    if data.get("web") is not None:
        if find_spec("uvicorn") is None:
            document.fault(
                ("web",), "needs libraries that are not installed: pip install 'usersyncd[web]'", on_key=True
            )
        return
    for name in _pushing(document, options):
        document.fault(("directories", name), "pushes: add a section `web`, where the daemon receives it", on_key=True)
    for (part, name), found in options.items():
        if part == "targets" and isinstance(found, StreamOptions) and found.tokens:
            message = "nobody can read the feed without a section `web`: add it, or remove the tokens"
            document.fault((part, name, "options", "tokens"), message, on_key=True)


def check_intervals(document: Document, options: Connectors) -> None:
    """Note what says when a directory is pulled that pushes."""
    for name in _pushing(document, options):
        for key in ("every", "complete"):
            if document.value(("directories", name, key)) is not None:
                message = "has no effect: this directory pushes, and is not pulled at an interval: remove it"
                document.fault(("directories", name, key), message, on_key=True)


def _pushing(document: Document, options: Connectors) -> Iterator[str]:
    """The directories that push."""
    for part, name, section in sections(document):
        found = options.get((part, name))
        if part == "directories" and found is not None:
            receiving = getattr(registry.source(section["connector"]), "receiving", None)
            if receiving is not None and receiving(found) is not None:
                yield name
