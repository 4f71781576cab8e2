"""Step four, plan: the changes from what a target holds to what it has to hold, in the order of delivery.

The shapes are compared with the links. Then the objects under the claimed keys are read (``look.py``), every claim is
decided (``claims.py``), and the memberships are compared.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from datetime import datetime
from functools import cache

from msgspec import Struct, field, structs
from sqlalchemy import Connection

from usersyncd.core.claims import Policy
from usersyncd.core.diff import Step, compare, look_again
from usersyncd.core.diff import Subject as About
from usersyncd.core.digest import digest, encode
from usersyncd.core.links import Link, Shape, State
from usersyncd.core.report import Failed, Skipped
from usersyncd.deliver.claims import Claims
from usersyncd.deliver.leavers import decide_replacements
from usersyncd.deliver.look import Refusal
from usersyncd.deliver.memberships import plan_memberships
from usersyncd.deliver.shape import Shaped, shape_groups, shape_users
from usersyncd.job import TargetRules
from usersyncd.options import ALL
from usersyncd.plugin import Change, Kind, Op
from usersyncd.state import links
from usersyncd.state.database import Database
from usersyncd.state.directories import DirectoryState
from usersyncd.state.drift import Drift
from usersyncd.state.links import Progress
from usersyncd.state.memberships import graph
from usersyncd.state.planned import Claim, Plan
from usersyncd.state.subjects import Scope, Subject

NAMED = 100
"""Records left out by the rules that a report names."""
UNCLEAR = (
    "its last change was not answered, and the target does not show which object belongs to it\n"
    "  → correct the objects by hand, then consent with --adopt and its id"
)
SEVERAL = "the target holds several objects with its key, and nothing shows which one belongs to this record"


class Draft(Struct):
    """A plan, and the findings from making it.

    ``drift``: what the target was found to hold. ``reached``: the progress of the target after the delivery.
    ``again``: refs of records that failed, which the next plan tries again. ``skipped``: the first records that the
    rules leave out. ``consented``: the guard does not count it again. ``found``: what objects with another key hold. It
    is only shown: a target tells by what was delivered whether an object is still that of the record.
    """

    plan: Plan
    drift: Drift
    reached: Progress
    failed: list[Failed] = field(default_factory=list)
    again: set[int] = field(default_factory=set)
    skipped: list[Skipped] = field(default_factory=list)
    consented: bool = False
    found: dict[tuple[Kind, str], Shape] = field(default_factory=dict)

    def changes(self) -> Iterator[Change]:
        """The changes as a person is shown them: with what the objects hold now."""
        for change in self.plan.changes():
            held = None if change.op is Op.CREATE else self.found.get((change.kind, change.id))
            yield change if held is None or change.members else structs.replace(change, before=held)

    def fail(self, kind: Kind, ref: int, id_: str, error: str, at: str | None = None) -> None:
        """Note a record that cannot be planned."""
        self.failed.append(Failed(kind, id_, error, at))
        self.again.add(ref)

    def fail_all(self, refusals: Iterable[Refusal]) -> None:
        """Records that fail for what the target holds; one that failed already is not named again for the same
        reason."""
        told = {(one.kind, one.id, one.error) for one in self.failed}
        for one in refusals:
            if (one.kind, one.id, one.why) not in told:
                self.fail(one.kind, one.ref, one.id, one.why)
            self.again.add(one.ref)


class Planning(Struct, frozen=True):
    """The input of a plan: a directory as it was read, a delivery, and the number of its target.

    ``sees``: the target can be read. ``linked``: links without target ids were looked up. ``adopt``: ids of the records
    for which a person consents to an adoption; ``exceed``: hashes of the harm to which a person consents.
    """

    reading: DirectoryState
    delivery: TargetRules
    target: int
    now: datetime
    sees: bool
    linked: bool
    adopt: frozenset[str]
    exceed: frozenset[str]

    def consents(self, id_: str) -> bool:
        """Whether a person agreed that this record adopts an object."""
        return ALL in self.adopt or id_ in self.adopt


def draft_plan(database: Database, planning: Planning, drift: Drift) -> Generator[None, None, Draft]:
    """Compare the shapes with the links, and with what else the target was found to hold. Writes nothing. Yields
    between pages. Raises StateError."""
    draft = Draft(Plan(), drift, Progress(planning.reading.revision, planning.delivery.fingerprint))
    try:
        with database.read() as connection:
            yield from _Planner(connection, planning, draft).compare()
    except BaseException:
        draft.plan.close()
        raise
    return draft


def complete_plan(database: Database, planning: Planning, draft: Draft) -> Generator[None, None, None]:
    """Decide the claims and add the memberships, after the target was read. Raises StateError."""
    with database.read() as connection:
        yield from _Planner(connection, planning, draft).complete()


class _Planner:
    def __init__(self, connection: Connection, planning: Planning, draft: Draft) -> None:
        self._connection = connection
        self._planning = planning
        self._reading = planning.reading
        self._target = planning.delivery.target
        self._rules = planning.delivery.rules
        self._draft = draft
        self._done = links.progress(connection, planning.reading.id, planning.target)
        same = self._done is not None and self._done.fingerprint == planning.delivery.fingerprint
        kept = self._target.leavers.delete_after
        self._scope = Scope(
            planning.reading.id,
            planning.target,
            since=self._done.revision if self._done and same else None,
            due=planning.now - kept if kept else None,
            drift=draft.drift,
            leaving=planning.delivery.leaving,
        )
        self._edges = cache(lambda: graph(connection, planning.reading.id))  # Many plans do not need it.
        self._retried = links.retried(connection, planning.reading.id, planning.target) if planning.sees else set()

    def compare(self) -> Iterator[None]:
        for page in shape_users(self._connection, self._rules, self._scope, self._edges, self._planning.now):
            self._compare(Kind.USER, page)
            yield
        for page in shape_groups(self._connection, self._rules, self._scope):
            self._compare(Kind.GROUP, page)
            yield

    def complete(self) -> Iterator[None]:
        for kind in Kind:
            for clash in self._claims(kind).settle():
                self._draft.fail(kind, clash.ref, clash.id, clash.why)
            yield
        key, plan, consents = self._rules.layouts[Kind.USER].key, self._draft.plan, self._planning.consents
        self._draft.fail_all(decide_replacements(self._connection, self._planning.target, plan, key, consents))
        mode = self._target.memberships
        yield from plan_memberships(
            self._connection, self._scope, self._reading.name, self._draft.plan, mode, self._edges
        )

    def _claims(self, kind: Kind) -> Claims:
        layout = self._rules.layouts[kind]
        opening = self._done is None and len(self._target.directories) == 1
        on = {name: layout.constants[name] for name in self._rules.off if name in layout.constants}
        policy = Policy(self._target.adopt, opening, layout.key, layout.ruled, self._rules.off, on)
        return Claims(
            self._connection, self._scope, self._reading.name, self._draft.plan, kind, layout, policy,
            self._planning.consents, self._draft.again, sees=self._planning.sees,
        )  # fmt: skip

    def _compare(self, kind: Kind, page: list[Shaped]) -> None:
        steps: list[tuple[int, str, bool, Change | None]] = []
        claims: list[Claim] = []
        key = self._rules.layouts[kind].key
        for shaped in page:
            subject = shaped.subject
            if (stranger := self._draft.drift.strangers.get(subject.ref)) is not None:
                self._draft.fail(kind, subject.ref, subject.id, stranger)
                continue
            if shaped.error is not None:
                self._draft.fail(kind, subject.ref, subject.id, shaped.error.message, shaped.error.at)
                continue
            if shaped.shape is None and subject.attributes is not None:
                self._skip(kind, subject)
            retried, again = subject.ref in self._retried, subject.ref in self._draft.drift.renamed
            if _is_same(shaped) and not retried and not again:
                continue
            link = self._link(subject)
            if (why := self._doubt(subject, link)) is not None:
                self._draft.fail(kind, subject.ref, subject.id, why)
                continue
            about = About(kind, self._reading.name, subject.id, key)
            step = compare(
                about, shaped.shape, link, self._target.leavers, shaped.leaving, self._planning.now, again=again
            )
            if again:
                self._draft.found[kind, subject.id] = self._draft.drift.held(subject.ref)
            if step is None and retried and link is not None:
                step = look_again(about, shaped.shape, link)
                self._draft.plan.suspects.add(subject.ref)
            if step is not None:
                steps.append((subject.ref, subject.id, step.left, step.change))
                claims += _claims(kind, subject, link, step, key)
        self._draft.plan.add(steps, claims)

    def _link(self, subject: Subject) -> Link | None:
        if subject.shape is None or subject.key is None or subject.state is None:
            return None
        if self._is_unclear(subject) and self._planning.consents(subject.id):
            # A person corrected the objects: the record is looked up again, as one whose object is missing.
            self._draft.drift.missing.add(subject.ref)
            return None
        return links.link_of(subject.shape, subject.key, subject.target_id, subject.state, subject.left_at)

    def _doubt(self, subject: Subject, link: Link | None) -> str | None:
        """The reason for which a record has to wait for a person; None if there is none."""
        if link is None or not self._planning.sees:
            return None
        if self._is_unclear(subject):
            return UNCLEAR
        return SEVERAL if link.target_id is None and self._planning.linked else None

    def _is_unclear(self, subject: Subject) -> bool:
        return subject.state == State.PENDING and self._planning.sees and self._planning.linked

    def _skip(self, kind: Kind, subject: Subject) -> None:
        if len(self._draft.skipped) < NAMED:
            where = (self._target.users if kind is Kind.USER else self._target.groups).where
            self._draft.skipped.append(
                Skipped(kind, subject.id, f"{kind}s.where leaves it out", str(where.at) if where else None)
            )


def _is_same(shaped: Shaped) -> bool:
    """Whether the target holds the shape already, compared by digest without decoding."""
    subject = shaped.subject
    return (
        shaped.shape is not None
        and subject.state == State.CONFIRMED
        and subject.target_id is not None
        and subject.digest == digest(encode(shaped.shape))
    )


def _claims(kind: Kind, subject: Subject, link: Link | None, step: Step, key: str) -> Iterator[Claim]:
    """The claim of a record that comes, leaves, returns or changes its key."""
    was_here = link is not None and link.left_at is None
    here = not step.left
    change = step.change
    new_key = change.after[key] if here and change is not None and change.after is not None else None
    if here == was_here and (change is None or new_key == change.key):
        return
    assert new_key is None or isinstance(new_key, str | int)  # noqa: S101 - the rules see to it
    yield Claim(subject.ref, kind, subject.id, new_key, here, here != was_here, link is None)
