"""The SCIM target: provisions users, groups and memberships into a service provider."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from msgspec import structs
from pydantic import BaseModel

from usersyncd.errors import TargetError
from usersyncd.plugin import API, Capabilities, Change, Edge, Held, Kind, Lookup, Op, Outcome, TargetContext, Value
from usersyncd_scim import profile as profiles
from usersyncd_scim.describe import describe
from usersyncd_scim.finder import Finder, all_of
from usersyncd_scim.memberships import MembershipWriter
from usersyncd_scim.options_target import ScimTargetOptions
from usersyncd_scim.order import Turn, turns
from usersyncd_scim.resources import ResourceForm, same_value
from usersyncd_scim.service import ServiceProvider
from usersyncd_scim.writing import RecordWriter

READS = 50
"""Resources that are requested at once; the client limits how many requests are under way."""
MEMBERSHIPS = (Op.ADD, Op.REMOVE)


class ScimTarget:
    """Delivers to a SCIM 2.0 service provider (RFC 7643, RFC 7644)."""

    api: ClassVar[int] = API
    Options: ClassVar[type[BaseModel]] = ScimTargetOptions
    capabilities: ClassVar[Capabilities] = Capabilities(find="each", list=True, members=True, forms=True)

    def __init__(self, options: ScimTargetOptions, context: TargetContext) -> None:
        """Raises ConfigError if the profile or the secret cannot be used."""
        self._options = options
        self._context = context
        self._profile = profiles.load(options.profile, context.folder, options.overrides())
        self._service = ServiceProvider(options.url, options.token, options.ca_file, self._profile, context)
        self._slots = asyncio.Semaphore(self._profile.concurrency)
        if not self._profile.members_readable:
            # Without it, a verification compares no memberships.
            self.capabilities = structs.replace(self.capabilities, members=False)  # type: ignore[misc]

    async def identity(self) -> str:
        """The address, and the account if the address does not tell it. Raises TargetError if the provider cannot be
        read, or does not get what it requires."""
        if missing := self._forms[Kind.USER].required():
            raise TargetError(
                f"{self._context.name}: the provider requires {', '.join(missing)}, and the rules do not set it",
                "set it in the rules, or give it a value under `defaults: {users: …}` of the options",
            )
        await self._service.probe()
        return f"scim {self._options.url}" + (f" {self._options.account}" if self._options.account else "")

    async def prepare(self) -> None:
        """Nothing to prepare, but the provider has to answer. Raises TargetError."""
        await self._service.probe()

    async def find(self, kind: Kind, lookups: Sequence[Lookup]) -> AsyncIterator[tuple[Lookup, Held]]:
        """The resources with these keys. Raises TargetError."""
        async for pair in self._finder.find(kind, lookups):
            yield pair

    async def read(self, kind: Kind, target_ids: Sequence[str]) -> AsyncIterator[Held]:
        """The resources with these ids. Raises TargetError."""
        watched = kind is Kind.GROUP and self._context.protects(Kind.USER)
        for start in range(0, len(target_ids), READS):
            some = target_ids[start : start + READS]
            for resource in await asyncio.gather(*(self._service.get(kind, id_, members=watched) for id_ in some)):
                if resource is None:
                    continue
                held = self._forms[kind].held(resource)
                if watched:
                    held = structs.replace(held, protected_member=await self._records.protected_member(resource))
                yield held

    async def list(self, kind: Kind) -> AsyncIterator[Held]:
        """All resources of a kind. Raises TargetError, also if the provider does not list all of them."""
        async for held in all_of(self._service, self._profile, self._forms[kind]):
            yield held

    async def members(self, groups: Sequence[str]) -> AsyncIterator[Sequence[Edge]]:
        """The memberships of these groups. Raises TargetError."""
        for group in groups:
            resource = await self._service.get(Kind.GROUP, group, members=True)
            found = (resource or {}).get("members") or ()
            yield [(group, _kind(one), str(one["value"])) for one in found if one.get("value")]

    def is_same(self, kind: Kind, attribute: str, written: Value, held: Value) -> bool:
        """Whether a value that was read is only another form of the written one: "True" for true, another case of an
        address."""
        return same_value(self._forms[kind], attribute, written, held)

    async def deliver(self, changes: Sequence[Change]) -> AsyncIterator[Outcome]:
        """One outcome for each change, in their order; changes that do not depend on each other run at the same time.
        Raises TargetError."""
        self._finder.forget()
        self._memberships.forget()
        delivery = _Delivery(changes, turns(changes, self._unique, deletes=self._profile.deprovision == "delete"))
        tasks = [asyncio.create_task(self._carry_out(delivery, number)) for number in range(len(changes))]
        try:
            for task in tasks:
                yield await task
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def check(self) -> Sequence[str]:
        """The address, the profile, and what the provider says of itself. Raises TargetError."""
        await self.identity()
        return describe(self._options, self._profile, await self._service.described())

    async def close(self) -> None:
        """Close the connections."""
        await self._service.close()

    @cached_property
    def _forms(self) -> Mapping[Kind, ResourceForm]:
        directories, name = tuple(self._context.directories), self._context.name
        return {
            kind: ResourceForm(kind, layout, self._profile, directories, name)
            for kind, layout in self._context.layouts.items()
        }

    @cached_property
    def _finder(self) -> Finder:
        return Finder(self._service, self._profile, self._forms)

    @cached_property
    def _records(self) -> RecordWriter:
        return RecordWriter(self._service, self._profile, self._forms, self._finder, self._context)

    @cached_property
    def _memberships(self) -> MembershipWriter:
        return MembershipWriter(self._service, self._profile, self._records, self._context)

    def _unique(self, change: Change, after: bool) -> Value:
        form = self._forms[change.kind]
        if change.op in MEMBERSHIPS:
            return None
        return ((change.after if after else change.before) or {}).get(form.unique)

    async def _carry_out(self, delivery: _Delivery, number: int) -> Outcome:
        change, turn = delivery.changes[number], delivery.turns[number]
        if change.op in MEMBERSHIPS:
            # Many providers refuse two writes to one group at the same time.
            async with delivery.groups[change.target_id], self._slots:
                return await delivery.unless_over(self._memberships.write, change)
        outcome = await self._record(delivery, change, turn, number)
        delivery.note(number, outcome)
        return outcome

    async def _record(self, delivery: _Delivery, change: Change, turn: Turn, number: int) -> Outcome:
        if turn.steps_aside:
            async with self._slots:
                stepped = await delivery.unless_over(self._records.step_aside, change)
            if stepped.error is not None or stepped.absent:
                return stepped
            delivery.note(number, stepped)
        if turn.after is not None and not await delivery.freed[turn.after]:
            name = self._forms[change.kind].unique
            value = (change.after or {}).get(name)
            return Outcome(error=f"the change that would free its {name} {value!r} was refused")
        async with self._slots:
            return await delivery.unless_over(self._records.write, change)


class _Delivery:
    """One batch under way. ``freed``: whether each change has freed its old value, once that is known."""

    def __init__(self, changes: Sequence[Change], order: Sequence[Turn]) -> None:
        loop = asyncio.get_running_loop()
        self.changes = changes
        self.turns = order
        self.freed: list[asyncio.Future[bool]] = [loop.create_future() for _ in changes]
        self.groups: defaultdict[str | None, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._over: TargetError | None = None

    async def unless_over(self, write: Callable[[Change], Awaitable[Outcome]], change: Change) -> Outcome:
        """Write a change, unless another one showed that the provider as a whole cannot be written."""
        if self._over is not None:
            raise self._over
        try:
            return await write(change)
        except TargetError as error:
            self._over = error
            raise

    def note(self, number: int, outcome: Outcome) -> None:
        """Note what the change did to its old value."""
        if not self.freed[number].done():
            self.freed[number].set_result(outcome.error is None)


def _kind(member: Mapping[str, Any]) -> Kind:
    """The kind of a member as it was read; a provider that says nothing has users only."""
    type_, reference = str(member.get("type") or ""), str(member.get("$ref") or "")
    return Kind.GROUP if type_.lower() == "group" or "/Groups/" in reference else Kind.USER
