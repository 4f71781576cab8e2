"""Where objects are when a batch is sent: an end of a membership may have been created just before."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

from msgspec import structs

from usersyncd.plugin import Change, Member
from usersyncd.state import links
from usersyncd.state.database import Database
from usersyncd.state.links import Address
from usersyncd.state.planned import Planned

REMEMBERED = 150_000
"""How many addresses are remembered at a time, so that memory stays flat."""


class Addresses:
    """The addresses in one target, remembered while memberships are delivered."""

    def __init__(self, database: Database, target: int) -> None:
        self._database = database
        self._target = target
        self._known: dict[int, Address] = {}

    @staticmethod
    def concern(steps: Sequence[Planned]) -> bool:
        """Whether these steps depend on what the batches before have brought."""
        return bool(steps) and (bool(steps[0].members) or steps[0].fallback)

    def addressed(self, steps: Sequence[Planned], again: set[int]) -> list[Planned]:
        """The steps with the addresses of all ends of memberships, without what cannot be done: a member that has no
        object, a group that has none (those are noted in ``again``), and what was only meant in case an adoption was
        refused."""
        if not self.concern(steps):
            return list(steps)
        if len(self._known) > REMEMBERED:
            self._known.clear()
        wanted = {ref for step in steps for ref in (step.ref, *step.members)}.difference(self._known)
        with self._database.read() as connection:
            self._known.update(links.addresses(connection, self._target, wanted))
        return list(self._possible(steps, again))

    def _possible(self, steps: Sequence[Planned], again: set[int]) -> Iterator[Planned]:
        for step in steps:
            change = step.change
            if change is None or step.ref not in self._known:
                if not step.fallback:
                    again.add(step.ref)
                continue
            if not step.members:
                yield step
                continue
            there = [place for place, ref in enumerate(step.members) if ref in self._known]
            if len(there) < len(step.members):
                again.add(step.ref)
            if there:
                yield self._with_members(step, change, there)

    def _with_members(self, step: Planned, change: Change, there: Sequence[int]) -> Planned:
        group = self._known[step.ref]
        refs = [step.members[place] for place in there]
        members = tuple(_at(change.members[place], self._known[ref]) for place, ref in zip(there, refs, strict=True))
        addressed = structs.replace(change, key=group.key, target_id=group.target_id, members=members)
        return structs.replace(step, change=addressed, members=array("I", refs))


def _at(member: Member, address: Address) -> Member:
    if member.target_id == address.target_id:
        return member
    return Member(member.kind, member.id, address.key, address.target_id)
