"""Decides which record gets each claimed key. A claim is granted, adopts an object, or is refused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from usersyncd.core.claims import Claimant, Found, Going, Holder, Policy, Verdict, judge
from usersyncd.plugin import Held, Kind, Layout
from usersyncd.state import links
from usersyncd.state.candidates import revisions_of
from usersyncd.state.claimed_keys import FoundObject, Key, KeyClaim
from usersyncd.state.database import Connection
from usersyncd.state.links import Owner
from usersyncd.state.plan_store import PlanStore

PAGE = 5_000


class KeyConflict(Struct, frozen=True):
    """A record whose claim is refused."""

    directory: str
    ref: int
    id: str
    why: str


class KeyClaims:
    """The keys that records of one kind claim in one plan."""

    def __init__(
        self,
        connection: Connection,
        target: int,
        plan: PlanStore,
        kind: Kind,
        layout: Layout,
        policies: Mapping[str, Policy],
        directories: Mapping[str, int],
        consents: Callable[[str], bool],
        failed: Collection[int],
        missing: Collection[int],
        *,
        is_readable: bool,
    ) -> None:
        """``target``: the number under which its links are stored. ``policies`` and ``directories`` (their numbers): of
        each directory that is delivered. ``consents``: whether a person allowed the record with this id to adopt an
        object. ``failed``: refs of records that failed in this plan; the caller adds to it. ``missing``: refs of
        records whose objects do not exist. ``is_readable``: the objects under the claimed keys were read."""
        self._connection = connection
        self._target = target
        self._plan = plan
        self._kind = kind
        self._layout = layout
        self._policies = policies
        self._directories = directories
        self._consents = consents
        self._failed = failed
        self._missing = missing
        self._is_readable = is_readable
        self._named: dict[int, str] = {}
        """The names, for messages, of the records that hold claimed keys, by ref."""
        self._chains = 0

    def resolve_key_conflicts(self) -> Iterator[KeyConflict]:
        """Decide every claim and change the plan accordingly. Yields the refused claims."""
        for space in self._plan.claims.spaces(self._kind):
            if space and self._layout.key == "id" and not self._plan.claims.has_found(self._kind, space):
                continue  # Ids are unique in their directory, and such a target separates directories.
            yield from self._resolve(space)

    def _resolve(self, space: str) -> Iterator[KeyConflict]:
        yield from self._contested(space)
        waiting: dict[int, tuple[KeyClaim, tuple[int, ...]]] = {}
        refused: set[int] = set()
        for page in self._plan.claims.pages(self._kind, PAGE, space):
            for claim, verdict in self._judged(space, page):
                if verdict.error is not None:
                    refused.add(claim.ref)
                    yield KeyConflict(claim.directory, claim.ref, claim.id, verdict.error)
                    continue
                self._apply(claim, verdict)
                if verdict.waits_for:
                    waiting[claim.ref] = claim, verdict.waits_for
        self._drop(refused)
        yield from self._stranded(waiting, refused)
        for chain in _chains({ref: wait for ref, (_, wait) in waiting.items()}):
            self._chains += 1
            self._plan.chain(chain, self._chains)

    def _contested(self, space: str) -> Iterator[KeyConflict]:
        """Refuse all records that claim the same key."""
        for claims in self._plan.claims.contested(self._kind, space):
            for claim in claims:
                others = ", ".join(_other(self._kind, one, claim) for one in claims if one is not claim)
                self._plan.drop(claim.ref)
                why = f"its {self._layout.key} {claim.key!r} is also that of {others}\n  → give each its own"
                yield KeyConflict(claim.directory, claim.ref, claim.id, why)

    def _stranded(
        self, waiting: dict[int, tuple[KeyClaim, tuple[int, ...]]], refused: set[int]
    ) -> Iterator[KeyConflict]:
        """Refuse records that wait for a key whose holder keeps it because its own claim was refused."""
        while stranded := [ref for ref, (_, wait) in waiting.items() if not refused.isdisjoint(wait)]:
            for ref in stranded:
                claim, waits = waiting.pop(ref)
                holder = next(self._named[other] for other in waits if other in refused)
                why = (
                    f"its {self._layout.key} {claim.key!r} is still that of {holder}, whose own change failed\n"
                    f"  → see why {holder} failed"
                )
                yield KeyConflict(claim.directory, ref, claim.id, why)
            refused.update(stranded)
            self._drop(stranded)

    def _drop(self, refs: Iterable[int]) -> None:
        for ref in refs:
            self._plan.drop(ref)

    def _apply(self, claim: KeyClaim, verdict: Verdict) -> None:
        for ref in verdict.frees:
            self._plan.free(ref)
        if verdict.adopts is not None:
            names = self._layout.attributes
            self._plan.adopt(claim.ref, verdict.adopts, names, verdict.takes, counted=verdict.counted)

    def _judged(self, space: str, page: Sequence[KeyClaim]) -> Iterator[tuple[KeyClaim, Verdict]]:
        keys = [claim.key for claim in page if claim.key is not None]
        by_claimed_key = self._plan.claims.found(self._kind, space, keys) if self._is_readable else {}
        held = [one.held.target_id for objects in by_claimed_key.values() for one in objects]
        by_key, by_object = self._holders(space, keys, held)
        contested = [claim.ref for claim in page if claim.key in by_claimed_key or claim.key in by_key]
        revisions = revisions_of(self._connection, contested)
        for claim in page:
            if claim.key is None or not (claim.key in by_claimed_key or claim.key in by_key):
                continue  # No record and no object has the key: granted.
            holders = by_key.get(claim.key, [])
            if self._is_readable:
                found = [_found(one, by_object) for one in by_claimed_key.get(claim.key, ())]
            else:
                found = [_presumed(claim.key, holder) for holder in holders]
            claimant = Claimant(
                claim.ref,
                self._kind,
                claim.id,
                claim.directory,
                claim.key,
                claim.new,
                self._consents(claim.id),
                revisions.get(claim.ref, 0),
            )
            yield claim, judge(claimant, holders, found, self._policies[claim.directory])

    def _holders(
        self, space: str, keys: Sequence[Key], objects: Sequence[str]
    ) -> tuple[dict[Key, list[Holder]], dict[str, Holder]]:
        """The records that are linked to an object with one of these keys, or to one of these ``objects``."""
        only = self._directories[space] if space else None
        owners = links.owners(self._connection, self._target, self._kind, only, keys, objects)
        owners = [owner for owner in owners if owner.ref not in self._missing]
        going = self._going(owners)
        by_key: dict[Key, dict[int, Holder]] = {}
        by_object: dict[str, Holder] = {}
        for owner in owners:
            self._named[owner.ref] = f"{self._kind} {owner.id}"
            holder = Holder(
                owner.ref, owner.id, owner.directory, going[owner.ref], owner.target_id, owner.revision, owner.key
            )
            by_key.setdefault(owner.key, {})[owner.ref] = holder
            if owner.target_id is not None:
                by_object[owner.target_id] = holder
        return {key: list(some.values()) for key, some in by_key.items()}, by_object

    def _going(self, owners: Sequence[Owner]) -> dict[int, Going]:
        """What the plan does with the objects of these records, by ref."""
        refs = [owner.ref for owner in owners]
        moves = {claim.ref: claim for claim in self._plan.claims.of_records(refs)}
        deleted = self._plan.deletes(refs)
        return {
            owner.ref: _going_of(
                moves.get(owner.ref), left=owner.left, returns=self._returns(owner), deleted=owner.ref in deleted
            )
            for owner in owners
        }

    def _returns(self, owner: Owner) -> bool:
        """Whether a leaver is in its directory again, and this was not delivered yet."""
        if owner.directory in self._policies:
            return owner.here and owner.ref in self._failed
        return owner.here and owner.due


def _other(kind: Kind, other: KeyClaim, claim: KeyClaim) -> str:
    return f"{kind} {other.id}" + (f" of {other.directory}" if other.directory != claim.directory else "")


def _going_of(claim: KeyClaim | None, *, left: bool, returns: bool, deleted: bool) -> Going:
    if claim is not None and claim.here:
        return Going.MOVES
    if left and returns:
        return Going.RETURNS
    if left:
        return Going.LEFT_DELETED if deleted else Going.LEFT
    if claim is not None:
        return Going.LEAVES_DELETED if deleted else Going.LEAVES
    return Going.STAYS


def _found(seen: FoundObject, by_object: Mapping[str, Holder]) -> Found:
    return Found(seen.held, seen.exact, seen.mine, seen.protected, by_object.get(seen.held.target_id))


def _presumed(key: Key, holder: Holder) -> Found:
    """The object as the link describes it, for a target that cannot be read."""
    return Found(Held(holder.target_id or "", key, {}), exact=True, mine=False, protected=False, owner=holder)


def _chains(waits: Mapping[int, Sequence[int]]) -> list[list[int]]:
    """The groups of records that pass keys on to each other: the connected components of ``waits``."""
    leader: dict[int, int] = {}

    def find(ref: int) -> int:
        while leader.setdefault(ref, ref) != ref:
            leader[ref] = leader[leader[ref]]
            ref = leader[ref]
        return ref

    for ref, others in waits.items():
        for other in others:
            leader[find(other)] = find(ref)
    parts: dict[int, list[int]] = {}
    for ref in leader:
        parts.setdefault(find(ref), []).append(ref)
    return list(parts.values())
