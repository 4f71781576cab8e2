"""Step four, plan: the changes from what a target holds to what it has to hold, in the order of delivery.

The shapes are compared with the links. Then the objects under the claimed keys are read (``look.py``), every claim is
decided (``claims.py``), and the memberships are compared.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from sqlalchemy import Connection

from usersyncd.core.claims import Policy
from usersyncd.core.diff import Step, compare, look_again
from usersyncd.core.diff import Subject as About
from usersyncd.core.digest import digest, encode
from usersyncd.core.links import Link, State
from usersyncd.core.report import Skipped
from usersyncd.deliver.claims import KeyClaims
from usersyncd.deliver.leavers import decide_replacements
from usersyncd.deliver.look import Refusal
from usersyncd.deliver.memberships import plan_memberships
from usersyncd.deliver.shape import Shaped, shape_groups, shape_users
from usersyncd.deliver.share import Draft, Planning, Share, SharePlan
from usersyncd.plugin import Change, Kind
from usersyncd.state import links, moments
from usersyncd.state.database import Database
from usersyncd.state.links import Progress
from usersyncd.state.planned import Claim, Plan
from usersyncd.state.subjects import Scope, Subject

NAMED = 100
"""Records left out by the rules that a report names."""
UNCLEAR = (
    "its last change was not answered, and the target does not show which object belongs to it\n"
    "  → correct the objects by hand, then consent with --adopt and its id"
)
SEVERAL = "the target holds several objects with its key, and nothing shows which one belongs to this record"


def draft_plan(database: Database, planning: Planning) -> Generator[None, None, Draft]:
    """Compare the shapes with the links, and with what else the target was found to hold. Writes nothing. Yields
    between pages. Raises StateError."""
    rules = planning.shares[0].rules
    draft = Draft(Plan(shared_keys=rules.shares_keys))
    try:
        with database.read() as connection:
            for share in (*planning.shares, *planning.aside):
                yield from _Comparison(connection, planning, share, draft).run()
            for share in planning.aside:
                draft.plan.set_aside(share.name)
                draft.shares[share.name].is_delivered = False
    except BaseException:
        draft.plan.close()
        raise
    return draft


def complete_plan(database: Database, planning: Planning, draft: Draft) -> Generator[None, None, None]:
    """Decide the claims and add the memberships, after the target was read. Raises StateError."""
    rules = planning.shares[0].rules.rules
    key, plan = rules.layouts[Kind.USER].key, draft.plan
    with database.read() as connection:
        for kind in Kind:
            claims = _claims_of_keys(connection, planning, draft, kind)
            for one in claims.resolve_key_conflicts():
                if one.directory in draft.shares:
                    draft.fail(Refusal(one.directory, one.ref, kind, one.id, one.why))
            yield
        draft.fail_all(decide_replacements(connection, planning.target, plan, key, planning.consents))
        for part in (draft.shares[share.name] for share in planning.shares):
            directory, mode = part.share.directory, part.share.rules.target.memberships
            yield from plan_memberships(connection, _scope(planning, part), directory.name, plan, mode)


def _scope(planning: Planning, part: SharePlan) -> Scope:
    """The records of a share that are to be shaped."""
    rules, done = part.share.rules, part.done
    kept = rules.target.leavers.delete_after
    return Scope(
        part.share.directory.id,
        planning.target,
        since=None if done is None or part.is_whole else done.revision,
        due=planning.now - kept if kept else None,
        drift=part.share.drift,
        leaving=rules.leaving,
        now=planning.now,
    )


def _claims_of_keys(connection: Connection, planning: Planning, draft: Draft, kind: Kind) -> KeyClaims:
    rules = planning.shares[0].rules
    layout, off = rules.rules.layouts[kind], rules.rules.off
    on = {name: layout.constants[name] for name in off if name in layout.constants}
    alone = len(rules.target.directories) == 1
    policies = {
        share.name: Policy(
            rules.target.adopt, alone and draft.shares[share.name].done is None, layout.key, layout.ruled, off, on
        )
        for share in planning.shares
    }
    directories = {share.name: share.directory.id for share in planning.shares}
    return KeyClaims(
        connection, planning.target, draft.plan, kind, layout, policies, directories, planning.consents, draft.again,
        draft.missing, sees=planning.sees,
    )  # fmt: skip


class _Comparison:
    """Compares the shapes of one share with its links."""

    def __init__(self, connection: Connection, planning: Planning, share: Share, draft: Draft) -> None:
        self._connection = connection
        self._planning = planning
        self._directory = share.directory
        self._target = share.rules.target
        self._rules = share.rules.rules
        self._drift = share.drift
        self._draft = draft
        done = links.progress(connection, share.directory.id, planning.target)
        reached = Progress(share.directory.revision, share.rules.fingerprint)
        self._part = draft.shares[share.name] = SharePlan(share, done, reached)
        self._retried = links.retried(connection, share.directory.id, planning.target) if planning.sees else set()

    def run(self) -> Iterator[None]:
        """Add the changes of records to the plan. Yields between pages."""
        scope = _scope(self._planning, self._part)
        for page in shape_users(self._connection, self._rules, scope, self._planning.now):
            self._compare(Kind.USER, page)
            yield
        for page in shape_groups(self._connection, self._rules, scope):
            self._compare(Kind.GROUP, page)
            yield

    def _compare(self, kind: Kind, page: list[Shaped]) -> None:
        steps: list[tuple[int, str, bool, Change | None]] = []
        claims: list[Claim] = []
        key = self._rules.layouts[kind].key
        if self._rules.reads.time:
            until = ((one.subject.ref, moments.as_text(one.until) if one.until else None) for one in page)
            self._draft.plan.note_shaped(self._directory.name, until)
        for shaped in page:
            subject = shaped.subject
            if (stranger := self._drift.strangers.get(subject.ref)) is not None:
                self._fail(kind, subject, stranger)
                continue
            if shaped.error is not None:
                self._fail(kind, subject, shaped.error.message, shaped.error.at)
                continue
            if shaped.shape is None and subject.attributes is not None:
                self._skip(kind, subject)
            retried, again = subject.ref in self._retried, subject.ref in self._drift.renamed
            if _is_same(shaped) and not retried and not again:
                continue
            link = self._link(subject)
            if (why := self._doubt(subject, link)) is not None:
                self._fail(kind, subject, why)
                continue
            about = About(kind, self._directory.name, subject.id, key)
            step = compare(
                about, shaped.shape, link, self._target.leavers, shaped.leaving, self._planning.now, again=again
            )
            if again:
                self._part.found[kind, subject.id] = self._drift.held(subject.ref)
            if step is None and retried and link is not None:
                step = look_again(about, shaped.shape, link)
                self._draft.plan.suspects.add(subject.ref)
            if step is not None:
                steps.append((subject.ref, subject.id, step.left, step.change))
                claims += _claims(about, subject, link, step)
        self._draft.plan.add(self._directory.name, steps, claims)

    def _fail(self, kind: Kind, subject: Subject, why: str, at: str | None = None) -> None:
        self._draft.fail(Refusal(self._directory.name, subject.ref, kind, subject.id, why), at)

    def _link(self, subject: Subject) -> Link | None:
        if subject.shape is None or subject.key is None or subject.state is None:
            return None
        if self._is_unclear(subject) and self._planning.consents(subject.id):
            # A person corrected the objects: the record is looked up again, as one whose object is missing.
            self._drift.missing.add(subject.ref)
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
        if len(self._part.skipped) < NAMED:
            where = (self._target.users if kind is Kind.USER else self._target.groups).where
            self._part.skipped.append(
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


def _claims(about: About, subject: Subject, link: Link | None, step: Step) -> Iterator[Claim]:
    """The claim of a record that comes, leaves, returns or changes its key."""
    was_here = link is not None and link.left_at is None
    here = not step.left
    change = step.change
    new_key = change.after[about.key] if here and change is not None and change.after is not None else None
    if here == was_here and (change is None or new_key == change.key):
        return
    assert new_key is None or isinstance(new_key, str | int)  # noqa: S101 - the rules see to it
    yield Claim(subject.ref, about.kind, about.directory, subject.id, new_key, here, here != was_here, link is None)
