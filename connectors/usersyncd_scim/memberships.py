"""Adds members to groups and removes them, as many in one request as the profile allows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
from msgspec import Struct, field

from usersyncd.plugin import PROTECTED, Change, Kind, Member, Op, Outcome, TargetContext
from usersyncd_scim.faults import said
from usersyncd_scim.paths import Resource
from usersyncd_scim.profile import Profile
from usersyncd_scim.service import ServiceProvider
from usersyncd_scim.writing import RecordWriter, members_of

ONE_BY_ONE = 20
"""Members of a change that are refused one by one, before the rest is refused with the same reason."""
WHOLE = (403, 501)
"""Statuses that concern the group, not a member."""
OTHER_FORM = "if the provider removes members in another form, set `member_removal` (docs/scim-target.md)"


class MembershipWriter:
    """Writes the members of groups. Every method raises TargetError if the provider as a whole cannot be written."""

    def __init__(
        self, service: ServiceProvider, profile: Profile, records: RecordWriter, context: TargetContext
    ) -> None:
        self._service = service
        self._profile = profile
        self._records = records
        self._context = context
        self._written: dict[str, list[dict[str, Any]]] = {}
        """The members of groups that the provider does not return, as this batch wrote them, by target id."""

    def forget(self) -> None:
        """Forget what was written: its answers are stored before the next batch."""
        self._written.clear()

    async def write(self, change: Change) -> Outcome:
        """Carry out one ADD or REMOVE."""
        result = _Result()
        group: Resource | None = None
        if self._context.protects(Kind.GROUP):
            group = await self._service.get(Kind.GROUP, change.target_id or "")
            if group is None:
                return Outcome(absent=True)
            if self._records.is_protected(Kind.GROUP, group):
                return Outcome(error=PROTECTED)
        members = await self._unprotected(change.members, result)
        if self._profile.group_update == "add-remove":
            size = self._profile.members_per_request
            for start in range(0, len(members), size):
                await self._send(change, members[start : start + size], result)
                if result.absent:
                    return Outcome(absent=True)
        elif members:
            return await self._replace(change, members, result)
        return Outcome(refused=result.refused, gone=frozenset(result.gone))

    async def _unprotected(self, members: Sequence[Member], result: _Result) -> list[Member]:
        found: list[Member] = []
        for member in members:
            resource = None
            if self._context.protects(member.kind):
                resource = await self._service.get(member.kind, member.target_id or "")
            if resource is not None and self._records.is_protected(member.kind, resource):
                result.refused[member.id] = PROTECTED
            else:
                found.append(member)
        return found

    async def _send(self, change: Change, members: Sequence[Member], result: _Result) -> None:
        """Send some members in one request; if it is refused, find out which of them are."""
        target_id = change.target_id or ""
        operations = self._operations(change.op, members)
        response = await self._records.answer(self._service.patch(Kind.GROUP, target_id, operations))
        if isinstance(response, httpx.Response) and response.is_success:
            return
        if isinstance(response, httpx.Response) and response.status_code == 404:
            result.absent = await self._service.get(Kind.GROUP, target_id) is None
            if result.absent:
                return
        reason = response if isinstance(response, str) else said(response)
        whole = isinstance(response, str) or response.status_code in WHOLE or len(result.refused) >= ONE_BY_ONE
        if whole:
            result.refused |= dict.fromkeys((member.id for member in members), reason)
        elif len(members) > 1:
            half = len(members) // 2
            for part in (members[:half], members[half:]):
                if not result.absent:
                    await self._send(change, part, result)
        else:
            await self._judge(change, members[0], reason, result)

    async def _judge(self, change: Change, member: Member, reason: str, result: _Result) -> None:
        """A single member was refused: perhaps it does not exist, or is not in the group."""
        missing = await self._service.get(member.kind, member.target_id or "") is None
        if change.op is Op.REMOVE and (missing or "noTarget" in reason):
            return
        result.refused[member.id] = f"{reason}\n  → {OTHER_FORM}" if change.op is Op.REMOVE else reason
        if missing:
            result.gone.add(member.id)

    def _operations(self, op: Op, members: Sequence[Member]) -> list[dict[str, Any]]:
        if op is Op.ADD:
            return [
                {"op": "add", "path": "members", "value": [_entry(member.kind, member.target_id) for member in members]}
            ]
        if self._profile.member_removal == "value":
            values = [{"value": member.target_id} for member in members]
            return [{"op": "remove", "path": "members", "value": values}]
        mark = '"' if self._profile.member_removal == "filter" else ""
        return [{"op": "remove", "path": f"members[value eq {mark}{member.target_id}{mark}]"} for member in members]

    async def _replace(self, change: Change, members: Sequence[Member], result: _Result) -> Outcome:
        """Read the group, and write it with all its members."""
        target_id = change.target_id or ""
        group = await self._service.get(Kind.GROUP, target_id, members=True)
        if group is None:
            return Outcome(absent=True)
        if change.op is Op.ADD:
            members = await self._existing(members, result)
        ids = {member.target_id for member in members}
        held = await self._held(target_id, group)
        known = [one for one in held if str(one.get("value")) not in ids]
        wanted = [*known, *(_entry(member.kind, member.target_id) for member in members if change.op is Op.ADD)]
        if {str(one["value"]) for one in wanted} == set(members_of({"members": held})):
            return Outcome(refused=result.refused, gone=frozenset(result.gone))
        if self._profile.group_update == "put":
            body = {name: value for name, value in group.items() if name not in ("id", "meta")} | {"members": wanted}
            request = self._service.replace(Kind.GROUP, target_id, body)
        else:
            operation = {"op": "replace", "path": "members", "value": wanted}
            request = self._service.patch(Kind.GROUP, target_id, [operation])
        response = await self._records.answer(request)
        if isinstance(response, str) or not (response.is_success or response.status_code == 404):
            return Outcome(error=response if isinstance(response, str) else said(response))
        if target_id in self._written:
            self._written[target_id] = wanted
        return Outcome(absent=response.status_code == 404, refused=result.refused, gone=frozenset(result.gone))

    async def _held(self, target_id: str, group: Resource) -> list[dict[str, Any]]:
        """The members of a group. An empty group looks like one whose members the provider does not return: then those
        count that this batch wrote, or that usersyncd has put into it."""
        if isinstance(found := group.get("members"), list) and found:
            return found
        if found := await self._service.members(target_id):
            return found
        if target_id not in self._written:
            linked = await asyncio.to_thread(self._context.linked_members, target_id)
            self._written[target_id] = [_entry(kind, member) for kind, member in linked]
        return self._written[target_id]

    async def _existing(self, members: Sequence[Member], result: _Result) -> list[Member]:
        """The members that exist: in one request for the whole group, one that does not would stop the others."""
        found: list[Member] = []
        for member in members:
            if await self._service.get(member.kind, member.target_id or "") is None:
                result.refused[member.id] = f"the service provider has no such {member.kind.value}"
                result.gone.add(member.id)
            else:
                found.append(member)
        return found


class _Result(Struct):
    """The outcome for the members of one change. ``absent``: the group does not exist."""

    refused: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    absent: bool = False


def _entry(kind: Kind, target_id: str | None) -> dict[str, Any]:
    """A member as it is added. Only a group's type is stated: some providers refuse the type of a user."""
    entry: dict[str, Any] = {"value": target_id}
    return entry | {"type": "Group"} if kind is Kind.GROUP else entry
