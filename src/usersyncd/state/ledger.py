"""Stores what was sent to a target and what the target answered: links, members and journal, in one transaction.

A batch is stored before it is sent, in a commit that survives a power loss. If the process ends before the answer, the
next run finds the batch, reads the target and stores the outcome.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime
from itertools import repeat

from msgspec import Struct, field, structs
from sqlalchemy import Connection, bindparam, update

from usersyncd.core.approvals import UNDECIDED, Decision, Decisions, approved_part
from usersyncd.core.digest import encode
from usersyncd.core.guard import limited
from usersyncd.core.links import Link, PendingOutcome, ResolvedChange, State, has_left, shape_of
from usersyncd.core.model import Guard
from usersyncd.core.plan import count
from usersyncd.core.report import Counts
from usersyncd.core.sorted_arrays import edited
from usersyncd.plugin import Change, Held, Kind, Layout, Op, Outcome
from usersyncd.state import journal, links, progress_store, sent, streams
from usersyncd.state.answers import (
    Answer,
    Answers,
    CreatedObjects,
    accepted_members,
    accepted_part,
    found_missing,
)
from usersyncd.state.approvals import consume
from usersyncd.state.database import Database
from usersyncd.state.harms import AcknowledgedChange, Harms
from usersyncd.state.held_members import HeldMembers, held_members, replace_members, write_members
from usersyncd.state.lock import Lock
from usersyncd.state.planned import Batch, PlannedChange, is_active
from usersyncd.state.sent import Sent
from usersyncd.state.streams import Publication, Stamp
from usersyncd.state.tables import links as links_table


class Book(Struct, frozen=True):
    """The delivery that a ledger belongs to: number and name of the target, the numbers of all directories by name, the
    id of the run, and the guard. ``publication``: where the changes become events; None: nowhere."""

    target: int
    name: str
    directories: Mapping[str, int]
    run: str
    guard: Guard
    publication: Publication | None = None


class Ledger:
    """The ledger of one delivery. Calls must not overlap."""

    def __init__(
        self,
        database: Database,
        lock: Lock,
        book: Book,
        layouts: Mapping[Kind, Layout],
        now: datetime,
        decisions: Mapping[str, Decisions],
    ) -> None:
        """``lock``: the lock of the run. ``now``: the time at which leavers of this run leave. ``decisions``: those in
        force, by directory."""
        self._database = database
        self._lock = lock
        self._book = book
        self._layouts = layouts
        self._now = now
        self._harms: dict[str, Harms] = {}
        self._decisions = decisions
        self._next = 0
        self.entries = Counter[str]()
        """How many entries the run has added to the journal, by directory."""
        self.resolved = defaultdict[str, Counts](Counts)
        """The unanswered changes of an earlier run that this run found in the target, by directory."""
        self.displaced: set[int] = set()
        """Refs of records whose objects are linked to other records now. The next plan compares them again."""

    def write(self, answers: Answers, following: Batch) -> None:
        """Store the answers to one batch, and the ``following`` batch before it is sent: none for a target that is the
        journal itself. Raises StateError."""
        if not answers and not following:
            return
        self._lock.verify()
        book = self._book
        with self._database.write(durable=bool(following) or book.publication is not None) as connection:
            if isinstance(answers, CreatedObjects) and self._are_plain(connection, answers):
                self._write_created(connection, answers)
                directories = [answers.planned.creates.directory] * len(answers)
            else:
                each = answers.answers() if isinstance(answers, CreatedObjects) else answers
                directories = [change.directory for change in self._write_each(connection, each)]
            if following:
                sent.write(connection, book.target, book.directories, following)
            else:
                sent.clear(connection, book.target)
        self._count(directories)

    def _write_each(self, connection: Connection, answers: Sequence[Answer]) -> list[AcknowledgedChange]:
        """Store the answers one by one. Returns the changes that were made."""
        # Members come before records, because deleting the link of a group deletes its members.
        emptied = self._write_members(connection, answers)
        texts = self._write_links(connection, answers)
        done = [change for answer in answers if (change := self._acknowledged(answer, emptied)) is not None]
        stamps = self._publish(connection, done, answers)
        self._write_journal(connection, [(change.change, texts.get(change.ref)) for change in done], stamps)
        self._write_harms(connection, done)
        return done

    def _are_plain(self, connection: Connection, created: CreatedObjects) -> bool:
        """Whether nothing but links and the journal tells of these creates: no event, no approval, no harm that a
        create may undo."""
        directory = created.planned.creates.directory
        return (
            self._book.publication is None
            and not self._approved(directory)
            and not self._harms_of(directory).are_stored(connection)
        )

    def _write_created(self, connection: Connection, created: CreatedObjects) -> None:
        book, planned, creates = self._book, created.planned, created.planned.creates
        self._displace(connection, zip(repeat(creates.kind), planned.refs, created.target_ids))
        links.add(
            connection, book.target, repeat(creates.kind), planned.refs, creates.keys, creates.shapes, planned.active,
            created.target_ids,
        )  # fmt: skip
        journal.write(connection, book.run, book.name, self._next, journal.entries_of(creates))

    def _count(self, directories: Sequence[str]) -> None:
        self._next += len(directories)
        self.entries.update(directories)

    def _write_harms(self, connection: Connection, done: Sequence[AcknowledgedChange]) -> None:
        by_directory: dict[str, list[AcknowledgedChange]] = {}
        for change in done:
            by_directory.setdefault(change.directory, []).append(change)
        book = self._book
        for name, changes in by_directory.items():
            self._harms_of(name).write(connection, changes)
            if approved := self._approved(name):
                pairs = ((change.change, change.emptied) for change in changes)
                consume(connection, book.target, book.directories[name], pairs, approved)

    def _harms_of(self, directory: str) -> Harms:
        book = self._book
        if directory not in self._harms:
            self._harms[directory] = Harms(book.target, book.directories[directory], book.run, limited(book.guard))
        return self._harms[directory]

    def _acknowledged(self, answer: Answer, emptied: Set[int]) -> AcknowledgedChange | None:
        change, step = accepted_part(answer), answer.step
        if change is None:
            return None
        members = accepted_members(answer) if change.members else ()
        whole, is_empty = step.change or change, step.ref in emptied
        approved = approved_part(whole, step.members, self._approved(change.directory), emptied=is_empty)
        return AcknowledgedChange(
            change.directory, step.ref, step.takes, change, members, is_empty, step.counted, approved
        )

    def _approved(self, directory: str) -> Mapping[str, Decision]:
        return self._decisions.get(directory, UNDECIDED).approved

    def _publish(
        self, connection: Connection, done: Sequence[AcknowledgedChange], answers: Sequence[Answer]
    ) -> list[Stamp] | None:
        """Number the events of changes in the target's stream; None if it has none."""
        if self._book.publication is None:
            return None
        changes = [(change.ref, change.change) for change in done]
        created = {step.ref: given for step, given in ((a.step, a.outcome.target_id) for a in answers) if given}
        return streams.publish(connection, self._book.publication, changes, created)

    def _write_journal(
        self, connection: Connection, done: Sequence[tuple[Change, str | None]], stamps: Sequence[Stamp] | None = None
    ) -> None:
        """Add changes to the journal, each with its new shape as JSON; None: the shape is encoded here."""
        rows = (
            journal.entry_of(
                change, text if text is not None or change.after is None else encode(change.after).decode()
            )
            for change, text in done
        )
        journal.write(connection, self._book.run, self._book.name, self._next, rows, stamps)

    # ---- records

    def _write_links(self, connection: Connection, answers: Iterable[Answer]) -> dict[int, str]:
        """Store the links. Returns the stored shapes as JSON, by ref."""
        created: list[tuple[Kind, int, str, str, int, str | None]] = []
        changed: list[links.Row] = []
        with_new_id: list[links.Row] = []
        ended: list[int] = []
        adopters: dict[int, int] = {}
        new_states: list[dict[str, object]] = []
        for step, outcome in ((answer.step, answer.outcome) for answer in answers):
            change = step.change
            if change is None:
                new_states.append(self._new_state(step))
            elif outcome.error is not None:
                continue
            elif change.members:
                ended += found_missing(step, outcome)
            elif change.after is None or outcome.absent:
                ended.append(step.ref)
            elif change.op is Op.CREATE and change.before is None:
                key, shape = encode(change.key).decode(), encode(change.after).decode()
                created.append((change.kind, step.ref, key, shape, int(is_active(change.after)), outcome.target_id))
            else:
                row = self._row(step, change, outcome)
                changed.append(row)
                if outcome.target_id is not None:
                    with_new_id.append(row)
                if step.takes is not None:
                    adopters[step.takes] = step.ref
        if new_states:
            self._write_states(connection, new_states)
        target = self._book.target
        self._hand_over(connection, adopters)
        links.end(connection, target, ended)
        new = [(kind, ref, target_id) for kind, ref, *_, target_id in created]
        self._displace(connection, [*new, *_objects(with_new_id)])
        links.write(connection, target, changed)
        texts = {row.ref: row.shape for row in changed}
        if created:
            kinds, refs, keys, shapes, active, target_ids = zip(*created, strict=True)
            links.add(connection, target, kinds, refs, keys, shapes, active, target_ids)
            texts.update(zip(refs, shapes, strict=True))
        return texts

    def _displace(
        self, connection: Connection, rows: Iterable[tuple[Kind, int, str | None]], batch: Set[int] = frozenset()
    ) -> None:
        """End the links of other records to these objects (kind, ref, target id), because a target may give the id of a
        deleted object to a new one. Records of the ``batch`` keep their links."""
        target, refs = self._book.target, links.sharing(connection, self._book.target, rows) - batch
        links.end(connection, target, refs)
        progress_store.retry(connection, target, refs)
        self.displaced |= refs

    def _new_state(self, step: PlannedChange) -> dict[str, object]:
        state = State.LEAVER if step.left else State.CONFIRMED
        return {"which": step.ref, "since": self._now.isoformat() if step.left else None, "as": int(state)}

    def _write_states(self, connection: Connection, states: list[dict[str, object]]) -> None:
        link = links_table.c.target == self._book.target, links_table.c.ref == bindparam("which")
        connection.execute(
            update(links_table).where(*link).values(left_at=bindparam("since"), state=bindparam("as")), states
        )

    def _hand_over(self, connection: Connection, adopters: Mapping[int, int]) -> None:
        """Delete the links of leavers whose objects were adopted, and put the adopting records into the leavers' groups
        (leaver's ref → adopter's ref)."""
        replace_members(connection, self._book.target, adopters)
        links.forget(connection, self._book.target, list(adopters))

    def _row(self, step: PlannedChange, change: Change, outcome: Outcome) -> links.Row:
        shape = change.after or {}
        key = shape.get(self._layouts[change.kind].key, change.key)  # Earlier rules may have shaped a leaver.
        assert isinstance(key, str | int)  # noqa: S101 - the rules ensure it
        target_id = change.target_id if outcome.target_id is None else outcome.target_id
        state, left_at = (State.LEAVER, self._now) if step.left else (State.CONFIRMED, None)
        return links.row(step.ref, change.kind, Link(shape, key, target_id, state, left_at))

    # ---- memberships

    def _write_members(self, connection: Connection, answers: Iterable[Answer]) -> set[int]:
        """Store the members of groups. Returns the groups that have no member any more."""
        edits: dict[int, MemberEdit] = {}
        for answer in answers:
            if answer.step.members:
                edits.setdefault(answer.step.ref, MemberEdit()).note(answer)
        if not edits:
            return set()
        before = held_members(connection, self._book.target, edits)
        after = {ref: edit.apply(before.get(ref, HeldMembers())) for ref, edit in edits.items()}
        write_members(connection, self._book.target, after)
        return {ref for ref, group in before.items() if group.members and not after[ref].members}

    # ---- unanswered changes

    def resolve(self, resolved: Sequence[tuple[Sent, ResolvedChange]], members: Sequence[Sent]) -> None:
        """Store the outcome of an unanswered batch, as it was found in the target.

        ``members``: the membership changes of the batch. Their members are stored as unanswered, and the plan sends
        them again.
        """
        self._lock.verify()
        book = self._book
        with self._database.write() as connection:
            rows = {step.ref: self._held_row(step, found.held) for step, found in resolved if found.held is not None}
            batch = {ref for step, _ in resolved for ref in (step.ref, step.takes) if ref is not None}
            self._displace(connection, _objects(rows.values()), batch)
            for step, found in resolved:
                self._resolve(connection, step, found.outcome, rows.get(step.ref))
            held = held_members(connection, book.target, {step.ref for step in members})
            groups = {step.ref: held.get(step.ref, HeldMembers()).as_sets() for step in members}
            for step in members:
                groups[step.ref].unanswered.update(step.members)
            write_members(connection, book.target, {ref: group.as_arrays() for ref, group in groups.items()})
            done = [step for step, found in resolved if _is_done(step, found)]
            self._write_journal(connection, [(step.change, None) for step in done])
            self._write_harms(
                connection, [self._resolved_change(step, found) for step, found in resolved if _is_seen(step, found)]
            )
            sent.clear(connection, book.target)
        self._count([step.directory for step in done])
        for step in done:
            count(self.resolved[step.directory], step.change)

    def _resolve(self, connection: Connection, step: Sent, outcome: PendingOutcome, row: links.Row | None) -> None:
        target = self._book.target
        if outcome is PendingOutcome.ENDED:
            links.end(connection, target, [step.ref])
        elif row is not None:
            if step.takes is not None:
                self._hand_over(connection, {step.takes: step.ref})
            links.write(connection, target, [row])
        elif outcome is PendingOutcome.UNCLEAR:
            self._mark_pending(connection, step)

    def _resolved_change(self, step: Sent, found: ResolvedChange) -> AcknowledgedChange:
        """The change with the shape that the target holds, which may differ from the shape that was sent."""
        change = step.change
        if found.held is not None:
            change = structs.replace(change, after=shape_of(found.held, tuple(change.after or ())))
        approved = approved_part(change, (), self._approved(step.directory), emptied=False)
        return AcknowledgedChange(step.directory, step.ref, step.takes, change, counted=step.counted, approved=approved)

    def _held_row(self, step: Sent, held: Held) -> links.Row:
        change = step.change
        shape = shape_of(held, self._layouts[change.kind].attributes)
        left = step.left and has_left(shape, change)
        state, left_at = (State.LEAVER, self._now) if left else (State.CONFIRMED, None)
        return links.row(step.ref, change.kind, Link(shape, held.key, held.target_id, state, left_at))

    def _mark_pending(self, connection: Connection, step: Sent) -> None:
        link = links_table.c.target == self._book.target, links_table.c.ref == step.ref
        connection.execute(update(links_table).where(*link).values(state=int(State.PENDING)))

    def presume(self, steps: Sequence[Sent]) -> None:
        """Mark every unanswered change as pending, so that the next plan sends it again: the target cannot be read."""
        self._lock.verify()
        book = self._book
        with self._database.write() as connection:
            for step in steps:
                change = step.change
                if change.op is Op.CREATE and change.after is not None:
                    link = Link(change.after, change.key, None, State.PENDING)
                    links.write(connection, book.target, [links.row(step.ref, change.kind, link)])
                elif not step.members:
                    self._mark_pending(connection, step)
            sent.clear(connection, book.target)


class MemberEdit(Struct):
    """What the answers to a batch change in one group: the refs of the members that were added or removed."""

    added: set[int] = field(default_factory=set)
    removed: set[int] = field(default_factory=set)

    def note(self, answer: Answer) -> None:
        """Add an answer. The last answer about a member counts."""
        change, accepted = answer.step.change, accepted_members(answer)
        done, undone = self.added, self.removed
        if change is None or change.op is not Op.ADD:
            done, undone = undone, done
        done.update(accepted)
        undone.difference_update(accepted)

    def apply(self, group: HeldMembers) -> HeldMembers:
        """The members of the group after the answers. A refused member stays unanswered, because an earlier change
        without an answer may have added it."""
        answered = self.added | self.removed
        return HeldMembers(
            edited(group.members, self.added, self.removed), edited(group.unanswered, frozenset(), answered)
        )


def _objects(rows: Iterable[links.Row]) -> Iterator[tuple[Kind, int, str | None]]:
    """The objects of these links: kind, ref and target id."""
    return ((row.kind, row.ref, row.target_id) for row in rows)


def _is_done(step: Sent, found: ResolvedChange) -> bool:
    return found.outcome is PendingOutcome.DONE or (
        found.outcome is PendingOutcome.ENDED and step.change.op is Op.DELETE
    )


def _is_seen(step: Sent, found: ResolvedChange) -> bool:
    return found.outcome is PendingOutcome.SEEN or _is_done(step, found)
