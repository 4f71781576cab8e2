"""The objects that Graph sends, as they are decoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

Object = dict[str, Any]
"""A user, or any other object of which all that was selected is kept."""


class End(Struct, gc=False):
    """One end of a relationship, such as a member. ``removed`` is set when it ended, and says why."""

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
