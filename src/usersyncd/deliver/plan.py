"""Step four, plan: the changes that bring a target to its shapes, in the order of delivery.

The shapes are compared with the links. Then the objects under the claimed keys are read (``objects.py``), every claim
is decided (``claims.py``), and the memberships are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from usersyncd.core.claims import Policy
from usersyncd.core.diff import UPDATED_AT, RecordIdentity, Step, compare, look_again
from usersyncd.core.digest import digest, encode
from usersyncd.core.links import Link, State
from usersyncd.core.report import MAX_SKIPPED, Skipped
from usersyncd.deliver.claims import KeyClaims
from usersyncd.deliver.memberships import plan_memberships
from usersyncd.deliver.objects import Refusal
from usersyncd.deliver.replacements import decide_replacements
from usersyncd.deliver.shape import NewShapes, Page, Shaped, shape_groups, shape_users
from usersyncd.deliver.share import Planning, Share, SharePlan, TargetPlan
from usersyncd.plugin import Change, Creates, Kind
from usersyncd.state import full_pushes, links, moments, progress_store
from usersyncd.state.candidates import Candidate, Selection
from usersyncd.state.claimed_keys import KeyClaim
from usersyncd.state.database import Connection, Database, Steps
from usersyncd.state.plan_store import PlanStore
from usersyncd.state.planned import PlannedCreates, is_active
from usersyncd.state.progress_store import TargetProgress

UNCLEAR = (
    "the target did not acknowledge its last change, and does not show which object belongs to it\n"
    "  → correct the objects by hand, then consent with --adopt and its id"
)
SEVERAL = (
    "the target holds several objects with its key, and nothing shows which one belongs to this record\n"
    "  → keep one object with this key, and delete the others or give them other keys"
)


def begin_plan(database: Database, planning: Planning) -> Steps[TargetPlan]:
    """Compare the shapes with the links and the drift that was found. Writes nothing. Raises StateError."""
    rules = planning.shares[0].rules
    plan = TargetPlan(PlanStore(shared_keys=rules.shares_keys))
    try:
        with database.read() as connection:
            for share in (*planning.shares, *planning.aside):
                yield from _Comparison(connection, planning, share, plan).run()
            for share in planning.aside:
                plan.store.set_aside(share.name)
                plan.shares[share.name].is_delivered = False
    except BaseException:
        plan.store.close()
        raise
    return plan


def complete_plan(database: Database, planning: Planning, plan: TargetPlan) -> Steps[None]:
    """Decide the claims of keys and add the membership changes, after the target was read. Raises StateError."""
    rules = planning.shares[0].rules.rules
    key, store = rules.layouts[Kind.USER].key, plan.store
    with database.read() as connection:
        for kind in Kind:
            claims = _claims_of_keys(connection, planning, plan, kind)
            for one in claims.resolve_key_conflicts():
                if one.directory in plan.shares:
                    plan.fail(Refusal(one.directory, one.ref, kind, one.id, one.why))
            yield
        plan.fail_all(decide_replacements(connection, planning.target, store, key, planning.consents))
        for part in (plan.shares[share.name] for share in planning.shares):
            directory, mode = part.share.directory, part.share.rules.target.memberships
            yield from plan_memberships(connection, _selection(planning, part), directory.name, store, mode)


def _selection(planning: Planning, part: SharePlan) -> Selection:
    """The records of a share that may have to be shaped again."""
    rules, done = part.share.rules, part.done
    kept = rules.target.leavers.delete_after
    return Selection(
        part.share.directory.id,
        planning.target,
        since=None if done is None or part.is_whole else done.revision,
        due=planning.now - kept if kept else None,
        drift=part.share.drift,
        leaving=rules.leaving,
        now=planning.now,
        patient=planning.patient,
    )


def _claims_of_keys(connection: Connection, planning: Planning, plan: TargetPlan, kind: Kind) -> KeyClaims:
    rules = planning.shares[0].rules
    layout, off = rules.rules.layouts[kind], rules.rules.off
    on = {name: layout.constants[name] for name in off if name in layout.constants}
    alone = len(rules.target.directories) == 1
    policies = {
        share.name: Policy(
            rules.target.adopt,
            alone and _is_opening(connection, plan.shares[share.name]),
            layout.key,
            layout.ruled,
            off,
            on,
            share.rules.pushed and alone,
        )
        for share in planning.shares
    }
    directories = {share.name: share.directory.id for share in planning.shares}
    return KeyClaims(
        connection, planning.target, plan.store, kind, layout, policies, directories, planning.consents, plan.again,
        plan.missing, is_readable=planning.is_readable,
    )  # fmt: skip


def _is_opening(connection: Connection, part: SharePlan) -> bool:
    """Whether the directory is only now set up in front of what the target holds. The first delivery of a directory
    that pushes is empty, or has one user."""
    return part.done is None or full_pushes.expected(connection, part.share.directory.id) is not None


class _Comparison:
    """Compares the shapes of one share with its links."""

    def __init__(self, connection: Connection, planning: Planning, share: Share, plan: TargetPlan) -> None:
        self._connection = connection
        self._planning = planning
        self._directory = share.directory
        self._target = share.rules.target
        self._rules = share.rules.rules
        self._drift = share.drift
        self._plan = plan
        done = progress_store.load(connection, share.directory.id, planning.target)
        reached = TargetProgress(share.directory.revision, share.rules.fingerprint)
        self._part = plan.shares[share.name] = SharePlan(share, done, reached)
        self._retried = (
            progress_store.retried(connection, share.directory.id, planning.target) if planning.is_readable else set()
        )

    def run(self) -> Iterator[None]:
        """Add the changes of records to the plan. Yields between pages."""
        selection = _selection(self._planning, self._part)
        for page in shape_users(self._connection, self._rules, selection, self._planning.now):
            self._add(Kind.USER, page)
            yield
        for page in shape_groups(self._connection, self._rules, selection):
            self._add(Kind.GROUP, page)
            yield

    def _add(self, kind: Kind, page: Page) -> None:
        if isinstance(page, NewShapes):
            self._create(kind, page)
        else:
            self._compare(kind, page)

    def _create(self, kind: Kind, page: NewShapes) -> None:
        """Add the creates of records that the target does not hold."""
        if self._rules.reads.time:
            self._note_shaped(zip(page.refs, page.until, strict=True))
        key = self._rules.layouts[kind].key
        keys = [encode(shape[key]).decode() for shape in page.shapes]
        texts = [encode(shape).decode() for shape in page.shapes]
        creates = Creates(kind, self._directory.name, page.ids, keys, texts)
        self._plan.store.add_creates(PlannedCreates(page.refs, creates, list(map(is_active, page.shapes))))

    def _note_shaped(self, until: Iterable[tuple[int, datetime | None]]) -> None:
        if self._part.is_whole:  # Then all stored moments of the directory are replaced.
            until = ((ref, moment) for ref, moment in until if moment is not None)
        texts = ((ref, moments.as_text(moment) if moment else None) for ref, moment in until)
        self._plan.store.note_shaped(self._directory.name, texts)

    def _compare(self, kind: Kind, page: list[Shaped]) -> None:
        steps: list[tuple[int, str, bool, Change | None]] = []
        claims: list[KeyClaim] = []
        layout = self._rules.layouts[kind]
        key, without = layout.key, None if layout.ruled else UPDATED_AT
        if self._rules.reads.time:
            self._note_shaped((one.candidate.ref, one.until) for one in page)
        for shaped in page:
            candidate = shaped.candidate
            if (stranger := self._drift.strangers.get(candidate.ref)) is not None:
                self._fail(kind, candidate, stranger)
                continue
            if shaped.error is not None:
                self._fail(kind, candidate, shaped.error.message, shaped.error.at)
                continue
            if shaped.shape is None and candidate.attributes is not None:
                self._skip(kind, candidate)
            retried, again = candidate.ref in self._retried, candidate.ref in self._drift.renamed
            if _is_same(shaped) and not retried and not again:
                continue
            link = self._link(candidate)
            if (why := self._doubt(candidate, link)) is not None:
                self._fail(kind, candidate, why)
                continue
            identity = RecordIdentity(kind, self._directory.name, candidate.id, key)
            step = compare(
                identity, shaped.shape, link, self._target.leavers, shaped.leaving, self._planning.now, again=again,
                without=without,
            )  # fmt: skip
            if again:
                self._part.found[kind, candidate.id] = self._drift.held(candidate.ref)
            if step is None and retried and link is not None:
                step = look_again(identity, shaped.shape, link)
                self._plan.store.suspects.add(candidate.ref)
            if step is not None:
                steps.append((candidate.ref, candidate.id, step.left, step.change))
                if (claim := _claim(identity, candidate, link, step)) is not None:
                    claims.append(claim)
        self._plan.store.add(self._directory.name, steps, claims)

    def _fail(self, kind: Kind, candidate: Candidate, why: str, at: str | None = None) -> None:
        self._plan.fail(Refusal(self._directory.name, candidate.ref, kind, candidate.id, why), at)

    def _link(self, candidate: Candidate) -> Link | None:
        if candidate.shape is None or candidate.key is None or candidate.state is None:
            return None
        if self._is_unclear(candidate) and self._planning.consents(candidate.id):
            # A person corrected the objects: the record is looked up again, as one whose object is missing.
            self._drift.missing.add(candidate.ref)
            return None
        return links.link_of(candidate.shape, candidate.key, candidate.target_id, candidate.state, candidate.left_at)

    def _doubt(self, candidate: Candidate, link: Link | None) -> str | None:
        """Why a record cannot be planned before a person decides; None if it can."""
        if link is None or not self._planning.is_readable:
            return None
        if self._is_unclear(candidate):
            return UNCLEAR
        return SEVERAL if link.target_id is None and self._planning.linked else None

    def _is_unclear(self, candidate: Candidate) -> bool:
        return candidate.state == State.PENDING and self._planning.is_readable and self._planning.linked

    def _skip(self, kind: Kind, candidate: Candidate) -> None:
        if len(self._part.skipped) < MAX_SKIPPED:
            where = (self._target.users if kind is Kind.USER else self._target.groups).where
            self._part.skipped.append(
                Skipped(kind, candidate.id, f"left out by {kind}s.where", str(where.at) if where else None)
            )


def _is_same(shaped: Shaped) -> bool:
    """Whether the target holds the shape already, compared by digest without decoding."""
    candidate = shaped.candidate
    return (
        shaped.shape is not None
        and candidate.state == State.CONFIRMED
        and candidate.target_id is not None
        and candidate.digest == digest(encode(shaped.shape))
    )


def _claim(identity: RecordIdentity, candidate: Candidate, link: Link | None, step: Step) -> KeyClaim | None:
    """The claim of a record that comes, leaves, returns or changes its key; None for any other."""
    was_here = link is not None and link.left_at is None
    here = not step.left
    change = step.change
    new_key = change.after[identity.key] if here and change is not None and change.after is not None else None
    if here == was_here and (change is None or new_key == change.key):
        return None
    assert new_key is None or isinstance(new_key, str | int)  # noqa: S101 - the rules see to it
    return KeyClaim(
        candidate.ref, identity.kind, identity.directory, candidate.id, new_key, here, here != was_here, link is None
    )
