"""Deliveries to a SCIM service provider, as a run makes them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from tests.servers.scim_server import TOKEN, ScimTenant
from usersyncd.plugin import Change, Held, Kind, Layout, Lookup, Member, Op, Outcome, Value
from usersyncd.testing import OWN_LAYOUTS, HurriedClock, target_context
from usersyncd_scim import ScimTarget
from usersyncd_scim.options_target import ScimTargetOptions

T = TypeVar("T")
Shape = dict[str, Value]
EMAIL = 'emails[type eq "work"].value'
RULED = {
    Kind.USER: Layout(("userName", EMAIL, "active", "roles"), key="userName", ruled=True),
    Kind.GROUP: Layout(("displayName",), key="displayName", ruled=True),
}
"""Layouts as with ``set``, whose names are SCIM paths."""


class Provisioning:
    """A target of one service provider; each call is a run of its own, or several in one: see ``run``."""

    def __init__(self, tenant: ScimTenant, folder: Path, *, ruled: bool = False, **options: Any) -> None:
        self.tenant = tenant
        self.clock = HurriedClock()
        self._folder = folder
        self._layouts = RULED if ruled else OWN_LAYOUTS
        (folder / "token").write_text(TOKEN)
        self.linked: dict[str, list[tuple[Kind, str]]] = {}
        """The members that usersyncd has put into groups, by the group's id."""
        self._options = {"url": tenant.url, "token": {"file": "token"}, **options}

    def run(self, act: Callable[[ScimTarget], Awaitable[T]]) -> T:
        """Do something with the target."""

        async def in_a_run() -> T:
            context = target_context(
                self._folder, layouts=self._layouts, directories=("acme",), clock=self.clock, name="app",
                linked=self.linked,
            )  # fmt: skip
            target = ScimTarget(ScimTargetOptions.model_validate(self._options), context)
            try:
                return await act(target)
            finally:
                await target.close()

        return asyncio.run(in_a_run())

    def deliver(self, *changes: Change) -> list[Outcome]:
        async def act(target: ScimTarget) -> list[Outcome]:
            return [outcome async for outcome in target.deliver(changes)]

        return self.run(act)

    def find(self, *keys: str, kind: Kind = Kind.USER) -> list[Held]:
        async def act(target: ScimTarget) -> list[Held]:
            lookups = [Lookup("acme", key, key) for key in keys]
            return [held async for _, held in target.find(kind, lookups)]

        return self.run(act)

    def users(self) -> dict[str, dict[str, Any]]:
        """The provider's users, by userName."""
        return {user["userName"]: user for user in self.tenant.resources("Users")}

    def logins(self) -> list[str]:
        return sorted(user["userName"] for user in self.tenant.resources("Users"))


def person(name: str, **more: Value) -> Shape:
    return {"id": name, "userName": name, "email": f"{name}@acme.example", "active": True, **more}


def create(shape: Shape, kind: Kind = Kind.USER) -> Change:
    key = str(shape["id"] if "id" in shape else shape.get("userName", shape.get("displayName")))
    return Change(Op.CREATE, kind, "acme", key, key, None, dict(shape))


def update(target_id: str, before: Shape, after: Shape, op: Op = Op.UPDATE) -> Change:
    made = create(before)
    return replace(made, op=op, before=before, after=after, target_id=target_id)


def members(op: Op, group: str, ids: Sequence[str]) -> Change:
    found = tuple(Member(Kind.USER, f"record {each}", each, each) for each in ids)
    return Change(op, Kind.GROUP, "acme", "g1", "g1", members=found, target_id=group)
