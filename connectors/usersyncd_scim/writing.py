"""Writes one user or group: creates, changes, deactivates, deletes."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from copy import deepcopy
from typing import Any
from uuid import uuid4

import httpx
import msgspec

from usersyncd.errors import TargetError
from usersyncd.plugin import (
    DELIVERED,
    PROTECTED,
    Change,
    Kind,
    Op,
    Outcome,
    TargetContext,
    Value,
    holds_protected,
)
from usersyncd_scim.evidence import foreign_id, made_unseen, was_there_before
from usersyncd_scim.faults import FailureStreak, RefusesAllError, said
from usersyncd_scim.finder import Finder
from usersyncd_scim.paths import Resource
from usersyncd_scim.profile import Profile
from usersyncd_scim.resources import ResourceForm, Unfit
from usersyncd_scim.service import ServiceProvider

ABSENT = Outcome(absent=True)
ADOPTION = "to link a record to an account that exists, write `key: userName` and `set` (docs/scim-target.md)"


class RecordWriter:
    """Writes users and groups. Every method raises TargetError if the provider as a whole cannot be written."""

    def __init__(
        self,
        service: ServiceProvider,
        profile: Profile,
        forms: Mapping[Kind, ResourceForm],
        finder: Finder,
        context: TargetContext,
    ) -> None:
        self._service = service
        self._profile = profile
        self._forms = forms
        self._finder = finder
        self._context = context
        self._streak = FailureStreak(service.url)

    async def write(self, change: Change) -> Outcome:
        """Carry out one change of a record."""
        try:
            if change.op is Op.CREATE:
                return await self._create(change)
            if change.op is Op.DELETE:
                return await self._delete(change)
            return await self._change(change, changed_names(change), change.after or {})
        except Unfit as unfit:
            return Outcome(error=str(unfit))

    async def step_aside(self, change: Change) -> Outcome:
        """Give the object of a change an intermediate value of the unique attribute."""
        name = self._forms[change.kind].unique
        between = f"{uuid4().hex[:8]}-{(change.before or {}).get(name)}"
        try:
            return await self._change(change, [name], {name: between})
        except Unfit as unfit:
            return Outcome(error=str(unfit))

    def is_protected(self, kind: Kind, resource: Resource) -> bool:
        """Whether `protect` names this resource."""
        held = self._forms[kind].held(resource)
        return self._context.protected(kind, held.key, held.attributes)

    async def protected_member(self, group: Resource) -> str | int | None:
        """The key of a protected user in a group that was read with its members."""
        if not self._context.protects(Kind.USER):
            return None
        for member in members_of(group):
            user = await self._service.get(Kind.USER, member)
            if user is not None and self.is_protected(Kind.USER, user):
                return self._forms[Kind.USER].held(user).key
        return None

    async def answer(self, request: Awaitable[httpx.Response]) -> httpx.Response | str:
        """The answer to a write that may be repeated, or the reason why there is none although the provider answers
        other requests."""
        since = self._streak.successes
        try:
            response = await request
        except RefusesAllError:
            raise
        except TargetError as error:
            await self._service.probe()
            self._streak.lost(error, since)
            return error.message
        if response.is_success or response.status_code == 404:
            self._streak.success()
        else:
            self._streak.failure(response)
        return response

    async def _create(self, change: Change) -> Outcome:
        form = self._forms[change.kind]
        resource = form.resource(change.after or {}, change.directory)
        taken = await self._finder.with_key(change.kind, change.directory, change.key)
        if taken:
            return Outcome(
                error=f"{change.kind.value} {taken[0]['id']} has the key {change.key!r} already\n  → {ADOPTION}"
            )
        since = self._streak.successes
        try:
            response = await self._service.create(change.kind, resource)
        except RefusesAllError:
            raise
        except TargetError as error:
            # The request may have arrived.
            outcome = await self._unseen(change, resource, error.message)
            if outcome.error == error.message:
                self._streak.lost(error, since)
            return outcome
        if response.is_success:
            self._streak.success()
            return await self._answered(change, resource, response)
        if response.status_code == 409 or response.status_code >= 500:
            outcome = await self._unseen(change, resource, said(response))
            if outcome.error != said(response):
                return outcome
        self._streak.failure(response)
        return Outcome(error=said(response))

    async def _answered(self, change: Change, resource: Resource, response: httpx.Response) -> Outcome:
        """The outcome of a create that was answered with a resource, which may be another one than was sent."""
        answer = _answer(response)
        if answer is None:
            return await self._unseen(
                change, resource, f"the provider answered {response.status_code} without the id of the new resource"
            )
        target_id, why = answer["id"], None
        if response.status_code != 201:
            current = await self._service.get(change.kind, target_id)
            if current is None or was_there_before(self._forms[change.kind], current, resource, response):
                why = "was there before"
            answer = current or answer
        if (theirs := foreign_id(answer, resource)) is not None:
            why = f"has the externalId {theirs!r}"
        if why is None:
            return self._made(change, target_id)
        answered = f"the provider answered {response.status_code} with {change.kind.value} {target_id}"
        return Outcome(error=f"{answered}, which {why}\n  → {ADOPTION}")

    async def _unseen(self, change: Change, resource: Resource, failure: str) -> Outcome:
        """The outcome of a create without an answer that says it: the resource that it made after all, or why it
        failed, with the resources that stand in its way."""
        others = await self._finder.matching(change.kind, resource)
        if (target_id := made_unseen(self._forms[change.kind], others, resource)) is not None:
            return self._made(change, target_id)
        if not others:
            return Outcome(error=failure)
        ids = ", ".join(one["id"] for one in others[:3])
        return Outcome(error=f"{failure}; it has {change.kind.value} {ids} already\n  → {ADOPTION}")

    def _made(self, change: Change, target_id: str) -> Outcome:
        self._finder.made(change.kind, change.directory, change.key)
        return Outcome(target_id=target_id)

    async def _change(self, change: Change, names: Iterable[str], shape: Mapping[str, Value]) -> Outcome:
        form, target_id = self._forms[change.kind], change.target_id or ""
        names = [name for name in names if name in form.paths]
        current: Resource = {}
        reads = any(form.paths[name].entry for name in names) or not names or self._profile.update == "put"
        if reads or self._context.protects(change.kind):
            read = await self._service.get(change.kind, target_id, members=self._profile.update == "put")
            if read is None:
                return ABSENT
            if self.is_protected(change.kind, read):
                return Outcome(error=PROTECTED)
            current = read
        if not names:
            return DELIVERED
        key = form.layout.key
        if key in names and await self._is_taken(change, shape.get(key)):
            return Outcome(error=f"another {change.kind.value} has the {key} {shape.get(key)!r}")
        if self._profile.update == "put":
            resource = form.replacement(deepcopy(current))
            form.write(resource, shape, names, change.directory)
            resource["schemas"] = form.schemas(resource)
            request = self._service.replace(change.kind, target_id, resource)
        else:
            request = self._service.patch(
                change.kind, target_id, operations(form, names, shape, change.directory, current)
            )
        outcome = self._outcome(await self.answer(request))
        if key in names and outcome.error is None:
            self._finder.made(change.kind, change.directory, str(shape.get(key)))
        return outcome

    async def _is_taken(self, change: Change, key: Value) -> bool:
        if not isinstance(key, str | int):
            return False
        found = await self._finder.with_key(change.kind, change.directory, key)
        return any(one["id"] != change.target_id for one in found)

    async def _delete(self, change: Change) -> Outcome:
        target_id = change.target_id or ""
        if change.kind is Kind.USER and self._profile.deprovision == "ignore":
            return DELIVERED
        protected_users = change.kind is Kind.GROUP and self._context.protects(Kind.USER)
        if self._context.protects(change.kind) or protected_users:
            current = await self._service.get(change.kind, target_id, members=protected_users)
            if current is None:
                return ABSENT
            if self.is_protected(change.kind, current):
                return Outcome(error=PROTECTED)
            member = await self.protected_member(current) if protected_users else None
            if member is not None:
                return Outcome(error=holds_protected(self._forms[Kind.USER].layout.key, member))
        if change.kind is Kind.USER and self._profile.deprovision == "deactivate":
            return await self._deactivate(target_id)
        return self._outcome(await self.answer(self._service.delete(change.kind, target_id)))

    async def _deactivate(self, target_id: str) -> Outcome:
        if self._profile.update == "put":
            current = await self._service.get(Kind.USER, target_id)
            if current is None:
                return ABSENT
            resource = self._forms[Kind.USER].replacement(current) | {"active": False}
            return self._outcome(await self.answer(self._service.replace(Kind.USER, target_id, resource)))
        off = [{"op": "replace", "path": "active", "value": False}]
        return self._outcome(await self.answer(self._service.patch(Kind.USER, target_id, off)))

    def _outcome(self, response: httpx.Response | str) -> Outcome:
        if isinstance(response, str):
            return Outcome(error=response)
        if response.status_code == 404:
            return ABSENT
        return DELIVERED if response.is_success else Outcome(error=said(response))


def changed_names(change: Change) -> list[str]:
    """The names that a change writes."""
    before = change.before
    return [name for name, value in (change.after or {}).items() if before is None or before.get(name) != value]


def operations(
    form: ResourceForm, names: Iterable[str], shape: Mapping[str, Value], directory: str, current: Resource
) -> list[dict[str, Any]]:
    """The operations of a PATCH (RFC 7644, section 3.5.2; draft-zollner-scim-interop-profile): one for each attribute.

    A multi-valued attribute is sent as a whole, with the entries that it had: providers differ in what they make of a
    filter that matches no entry. Raises Unfit.
    """
    found: dict[str, Value] = {}
    whole = deepcopy(current)
    for name in names:
        path = form.paths[name]
        value = form.value(name, path, shape.get(name), directory)
        if path.entry:
            path.put(whole, value)
            found[path.top] = msgspec.structs.replace(path, sub=None, entry=()).get(whole)
        else:
            found[f"{path.top}.{path.sub}" if path.sub else path.top] = value
    return [
        {"op": "remove", "path": path} if value is None else {"op": "replace", "path": path, "value": value}
        for path, value in found.items()
    ]


def members_of(group: Resource) -> list[str]:
    """The ids of a group's members, as they were read."""
    found = group.get("members")
    return [str(one["value"]) for one in found or () if isinstance(one, dict) and one.get("value")]


def _answer(response: httpx.Response) -> Resource | None:
    """The resource in the answer to a create; None if it has no id."""
    try:
        body = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    found = body.get("id") if isinstance(body, dict) else None
    return {**body, "id": str(found)} if isinstance(found, str | int) and found != "" else None


__all__ = ["RecordWriter", "changed_names", "members_of", "operations"]
