"""The objects that Graph sends, as they are decoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

Item = TypeVar("Item")
Object = dict[str, Any]
"""A user, or any other object of which all that was selected is kept."""


class End(Struct, gc=False):
    """One end of a relationship, such as a member. ``removed`` is set when it ended, and says why. The id is empty
    where Graph told none (see :func:`converted`)."""

    id: str
    type: str = field(name="@odata.type", default="")
    removed: Any = field(name="@removed", default=None)


class Group(Struct):
    """A group, or what changed of it; the properties are in fields of their own (see :func:`group_type`)."""

    id: str
    removed: Any = field(name="@removed", default=None)
    members: list[End] = field(name="members@delta", default_factory=list)

    def properties(self, names: Sequence[str]) -> Object:
        """Those that it has of the properties of these names, which are those of :func:`group_type`."""
        found = ((name, getattr(self, f"property{number}", UNSET)) for number, name in enumerate(names))
        return {name: value for name, value in found if value is not UNSET}


def group_type(names: Sequence[str]) -> type[Group]:
    """A group with these properties. Its members are many, and cost a third as much as they would in dictionaries."""
    fields = [
        (f"property{number}", Any | UnsetType, field(name=name, default=UNSET)) for number, name in enumerate(names)
    ]
    return cast("type[Group]", msgspec.defstruct("SelectedGroup", fields, bases=(Group,)))


def converted(item: Any, of: type[Item]) -> Item:
    """An object of another form than documented, as far as it can be read: what should be an end, and has no id,
    becomes one with an empty id, so that it costs only the object that it is an end of. Raises ValidationError."""
    if of is End:
        item = _end(item)
    elif isinstance(item, dict):
        item = item | {name: _ends(item[name]) for name in ("members@delta", "manager@delta") if name in item}
    return msgspec.convert(item, of)


def _ends(found: Any) -> list[Object]:
    return list(map(_end, found if isinstance(found, list) else [None]))


def _end(found: Any) -> Object:
    end = found if isinstance(found, dict) else {}
    texts = {name: text for name in ("id", "@odata.type") if isinstance(text := end.get(name), str)}
    return {"id": "", "@removed": end.get("@removed"), **texts}
