"""Converts Google's groups and members to records and edges."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from usersyncd.plugin import Kind, Record, Unread, Value
from usersyncd_google.faults import MalformedError
from usersyncd_google.fields import Fields
from usersyncd_google.mapping import HIDDEN
from usersyncd_google.users import handle

Json = dict[str, Any]

COUNT = re.compile("[0-9]{1,9}")
"""The form of Google's member count."""
EDGE_FIELDS = Fields().need(["id", "email", "type"])


class Row(Struct, frozen=True):
    """One group in the listing. ``digest`` covers the whole row; ``count`` is Google's number of members (None: not
    given)."""

    record: Record
    address: str
    digest: str
    count: int | None


class GroupReader:
    """Converts groups to rows. ``reads``: the attributes that the rules read; None: all. :attr:`fields`: the fields to
    request."""

    def __init__(self, reads: frozenset[str] | None) -> None:
        self._reads = reads
        self.fields: Fields | None = None
        if reads is not None:
            self.fields = Fields().need(["id", "email", "directMembersCount", "etag", *reads])

    def row(self, group: Json) -> Row | Unread:
        """The row of a group."""
        if not isinstance(group.get("email", ""), str):
            return Unread(Kind.GROUP, group["id"], MALFORMED.format(group["id"]))
        hidden = HIDDEN[Kind.GROUP]
        attributes: dict[str, Value] = {
            name: value
            for name, value in group.items()
            if value not in (None, "") and (name not in hidden if self._reads is None else name in self._reads)
        }
        address = str(group.get("email", ""))
        record = Record(Kind.GROUP, group["id"], attributes, (handle(address),) if address else ())
        count = str(group.get("directMembersCount", ""))
        whole = json.dumps([attributes, address, count, group.get("etag")], sort_keys=True)
        return Row(record, address.lower(), short_digest(whole), int(count) if COUNT.fullmatch(count) else None)


MALFORMED = (
    "email of the group {} does not have the form that Google documents\n"
    "  → correct it with the tool that wrote it (Directory API, groups.update); until then the group stays unchanged"
)


class Edges(Struct):
    """The members of one group: ``named`` by id or handle; ``everybody``: additionally all users of the customer."""

    named: frozenset[str]
    everybody: bool = False
    outside: Counter[str] = Counter()
    """The number of members of each domain."""
    unnamed: int = 0
    """Number of members without id and address."""
    entries: int = 0
    """Number of members that Google listed."""


def edges(members: Iterable[Json]) -> Edges:
    """The edges of one group's members.

    Nested groups are edges like users. ``CUSTOMER`` stands for all users and has no address. External members may have
    no id: they are named by address. Raises OddError.
    """
    found = Edges(frozenset(), outside=Counter())
    named: set[str] = set()
    for member in members:
        found.entries += 1
        identifier, address = member.get("id"), member.get("email")
        if not (isinstance(identifier, str | None) and isinstance(address, str | None)):
            raise MalformedError(
                "a member of the group has an id or email that does not have the form that Google documents",
                "the next run reads it again; if this persists, contact Google's support; the group stays unchanged",
            )
        if member.get("type") == "CUSTOMER":
            found.everybody = True
        elif identifier or address:
            named.add(identifier or handle(address or ""))
            if address and member.get("type") != "GROUP":
                found.outside[domain(address)] += 1
        else:
            found.unnamed += 1
    found.named = frozenset(named)
    return found


def domain(address: str) -> str:
    """The domain of an address, in lower case."""
    return address.rpartition("@")[2].lower()


def short_digest(text: str) -> str:
    """A digest of eight characters; two different texts have the same one with a probability of 2⁻⁴⁸."""
    return base64.b64encode(hashlib.blake2b(text.encode(), digest_size=6).digest()).decode()
