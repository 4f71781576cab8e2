"""The items of a pull about one record, and how several items are combined to one."""

from __future__ import annotations

from collections.abc import Mapping

from usersyncd.plugin import Gone, Patch, Present, Record, Unread, Value

Item = Record | Patch | Present | Unread | Gone
"""What a source may report about one record."""


def combined(before: Item, item: Item) -> Item | None:
    """One item that has the same effect as two successive items about one record. None: no single item has it."""
    if isinstance(before, Present | Unread) or isinstance(item, Present | Unread):
        return None
    if isinstance(item, Record | Gone):
        return item
    if isinstance(before, Gone):
        return None
    handles = before.handles if item.handles is None else item.handles
    if isinstance(before, Patch):
        return Patch(item.kind, item.id, {**before.attributes, **item.attributes}, handles)
    return Record(before.kind, before.id, merged(before.attributes, item.attributes), handles or ())


def merged(attributes: Mapping[str, Value], changes: Mapping[str, Value]) -> dict[str, Value]:
    """The attributes after these changes; a change to null removes an attribute."""
    return {key: value for key, value in {**attributes, **changes}.items() if value is not None}
