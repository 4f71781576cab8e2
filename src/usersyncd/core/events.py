"""Events: what the applications that follow a stream are informed of, one JSON object each (docs/events.md).

A change of a record is one event. A change of memberships is one event for each member.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from usersyncd.core.digest import encode
from usersyncd.plugin import Kind, Member, Op

LONGEST = 20_000
"""The most bytes of an event that is sent to a webhook (Standard Webhooks 1.0, “Payload size”)."""
REDACTED = ""
"""The key of a member that was erased."""

_USER = {
    Op.CREATE: "user.created", Op.UPDATE: "user.updated", Op.DEACTIVATE: "user.deactivated",
    Op.REACTIVATE: "user.reactivated", Op.DELETE: "user.deleted",
}  # fmt: skip
_GROUP = {
    Op.CREATE: "group.created", Op.ADOPT: "group.updated", Op.UPDATE: "group.updated", Op.DELETE: "group.deleted",
    Op.ADD: "group.member_added", Op.REMOVE: "group.member_removed",
}  # fmt: skip
TYPES = (*_USER.values(), "group.created", "group.updated", "group.deleted", _GROUP[Op.ADD], _GROUP[Op.REMOVE])

_decode = msgspec.json.decode
_members = msgspec.json.Decoder(list[Member]).decode


class StreamEntry(Struct, frozen=True, gc=False):
    """A change in a stream, as the journal has it. ``number``: that of its first event. ``object``: the id of the
    object in the stream. ``why``: the cause of the run; ``approved_by``: who approved changes of it. The last four are
    JSON."""

    number: int
    run: str
    seq: int
    at: str
    why: str
    approved_by: tuple[str, ...]
    directory: str
    op: Op
    kind: Kind
    id: str
    object: str
    redacted: bool
    key: str
    before: str | None
    after: str | None
    members: str | None


class Event(Struct, frozen=True, gc=False):
    """One event: its number in the stream, its id, its type, the object that it is about, and its JSON object."""

    number: int
    id: str
    type: str
    object: str
    body: dict[str, Any]


def events_of(entry: StreamEntry, epoch: str, after: int = 0) -> Iterator[Event]:
    """The events of a change whose numbers are above ``after``, in order."""
    if entry.members is None:
        if entry.number > after:
            yield _event(entry, epoch, entry.number, event_id(entry.run, entry.seq), _content(entry))
        return
    for place, member in enumerate(_members(entry.members)):
        if entry.number + place > after:
            id_ = event_id(entry.run, entry.seq, place)
            yield _event(entry, epoch, entry.number + place, id_, {**_content(entry), "member": _member(member)})


def event_id(run: str, seq: int, place: int | None = None) -> str:
    """The id of an event: that of its run, the number of the change in it, and the place of the member."""
    return f"{run}-{seq}" if place is None else f"{run}-{seq}-{place}"


def type_of(entry: StreamEntry) -> str:
    """The type of a change's events."""
    if entry.kind is Kind.GROUP:
        return _GROUP[entry.op]
    if entry.op is Op.ADOPT:  # The object of a leaver, which another record of the same person takes over.
        was_active, is_active = (
            (_decode(text) if text else {}).get("active") is not False for text in (entry.before, entry.after)
        )
        return "user.updated" if was_active or not is_active else "user.reactivated"
    return _USER[entry.op]


def _event(entry: StreamEntry, epoch: str, number: int, id_: str, content: Mapping[str, Any]) -> Event:
    type_ = type_of(entry)
    body: dict[str, Any] = {
        "id": id_,
        "type": type_,
        "occurred_at": entry.at,
        "epoch": epoch,
        "sequence": number,
        "directory": entry.directory,
        "object": {
            "kind": entry.kind,
            "id": entry.object,
            "record": entry.id,
            "key": None if entry.redacted else _decode(entry.key),
            "version": number,
        },
        **content,
        "cause": {"why": entry.why, "run": entry.run},
    }
    if entry.approved_by:
        body["cause"]["approved_by"] = entry.approved_by
    if entry.redacted:
        body["redacted"] = True
    return Event(number, id_, type_, entry.object, body)


def _content(entry: StreamEntry) -> dict[str, Any]:
    """The attributes before and after a change. A change of memberships has none."""
    before, after = (None if text is None else _decode(text) for text in (entry.before, entry.after))
    return {"before": before, "after": after, "changed": changed(before, after)}


def changed(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[str]:
    """The names of the attributes that a change sets, changes or empties, sorted."""
    if after is None:
        return []
    before = before or {}
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _member(member: Member) -> dict[str, Any]:
    key = None if member.key == REDACTED else member.key
    found = {"kind": member.kind, "id": member.target_id, "record": member.id, "key": key}
    return found if key is not None else {**found, "redacted": True}


def to_json(body: Mapping[str, Any], longest: int | None = LONGEST) -> bytes:
    """An event as JSON of at most ``longest`` bytes: first ``before``, then ``after``, then ``changed`` is left out,
    and ``omitted`` names what is."""
    text = msgspec.json.encode(body)
    omitted: list[str] = []
    for name, empty in (("before", None), ("after", None), ("changed", [])):
        if longest is None or len(text) <= longest:
            break
        if not body.get(name):
            continue
        omitted.append(name)
        body = {**body, name: empty, "omitted": omitted}
        text = msgspec.json.encode(body)
    return text


def redact(members: str, id_: str) -> str | None:
    """The members of a change as JSON, without the key of the user with this id; None if the user is not there."""
    found = _members(members)
    if not any(_is_user(member, id_) for member in found):
        return None
    kept = [
        Member(member.kind, member.id, REDACTED, member.target_id) if _is_user(member, id_) else member
        for member in found
    ]
    return encode(kept).decode()


def _is_user(member: Member, id_: str) -> bool:
    return member.kind is Kind.USER and member.id == id_
