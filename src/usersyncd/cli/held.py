"""What the guard holds: loading, showing and deciding it, for ``approve`` and ``reject``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct
from rich.text import Text

from usersyncd.cli import text
from usersyncd.cli.changes import describe
from usersyncd.cli.common import StreamedList, say
from usersyncd.cli.names import names_of
from usersyncd.config import Config
from usersyncd.core.approvals import LASTS, Decision, Decisions, command, short
from usersyncd.core.listed_changes import ListedChanges, listed
from usersyncd.core.packed_changes import PackedChanges
from usersyncd.core.plan import count
from usersyncd.core.report import Counts
from usersyncd.errors import UsersyncError
from usersyncd.plugin import Change
from usersyncd.state import approvals, losses
from usersyncd.state.approvals import HeldShare
from usersyncd.state.database import Connection, Database
from usersyncd.state.losses import HeldLosses
from usersyncd.words import many

_change = msgspec.json.Decoder(Change).decode


class HeldPlan(Struct, frozen=True):
    """The held changes of one directory in one target, and the decisions about them. ``targets``: the names of the
    target, now and before."""

    share: HeldShare
    targets: frozenset[str]
    decisions: Decisions

    @property
    def directory(self) -> str:
        """The name of the directory."""
        return self.share.share.directory_name

    @property
    def hash(self) -> str:
        """The hash of the changes."""
        return self.share.hash

    @property
    def since(self) -> datetime:
        """When a run first held exactly these changes."""
        return self.share.since

    @property
    def name(self) -> str:
        """``hr in app``"""
        return f"{self.directory} in {self.share.share.target_name}"

    @property
    def what(self) -> str:
        """``40 harmful changes of hr in app``"""
        if self.share.first:
            return f"the first delivery of {self.name}"
        return f"{many(len(self.share.identities), 'harmful change')} of {self.name}"

    @property
    def cannot_be_rejected(self) -> str | None:
        """Why it cannot be rejected; None if it can."""
        return f"the first delivery of {self.name} is held until it is approved" if self.share.first else None

    def decided(self, *, approved: bool) -> Decision | None:
        """The decision that already approved, or rejected, all of these changes; None if there is none."""
        found = self.decisions.approved if approved else self.decisions.rejected
        decisions = [found.get(one) for one in self.share.identities]
        known = [one for one in decisions if one is not None]
        return max(known, key=lambda one: one.number) if known and len(known) == len(decisions) else None

    def is_held(self, connection: Connection) -> bool:
        """Whether exactly these changes are still held."""
        return approvals.is_held(connection, self.share)

    def is_as_before(self, connection: Connection, now: datetime) -> bool:
        """Whether nobody decided about these changes since they were loaded."""
        return _decisions(connection, self.share, now) == self.decisions

    def decide(self, connection: Connection, *, approved: bool, by: str, reason: str | None, now: datetime) -> Decision:
        """Store a person's decision."""
        return approvals.decide(connection, self.share, approved=approved, by=by, reason=reason, now=now)

    def document(self) -> dict[str, Any]:
        """Its own fields in JSON."""
        share = self.share
        return {
            "target": share.share.target_name,
            "first_delivery": share.first,
            "harmful": len(share.identities) - share.first,
            "changes": StreamedList(share.changes()),
            "losses": [],
        }


class HeldPull(Struct, frozen=True):
    """A pull that is discarded until a person approves it, because attributes were lost in all records of a
    directory."""

    found: HeldLosses
    now: datetime
    targets: frozenset[str] = frozenset()

    @property
    def directory(self) -> str:
        """The name of the directory."""
        return self.found.name

    @property
    def hash(self) -> str:
        """The hash of the attributes."""
        return self.found.hash

    @property
    def since(self) -> datetime:
        """When a pull was first discarded."""
        return self.found.since

    @property
    def name(self) -> str:
        """``the pull of hr``"""
        return f"the pull of {self.directory}"

    @property
    def what(self) -> str:
        """``the loss of email and title in hr``"""
        return f"the loss of {' and '.join(one.attribute for one in self.found.losses)} in {self.directory}"

    @property
    def cannot_be_rejected(self) -> str | None:
        """Why it cannot be rejected."""
        return f"{self.name} is discarded until the directory shows the attributes again, or their loss is approved"

    def decided(self, *, approved: bool) -> Decision | None:
        """The approval, if it is in force."""
        made = self.found.approval
        return made if approved and made is not None and made.is_in_force(self.now) else None

    def is_held(self, connection: Connection) -> bool:
        """Whether the same attributes are still lost."""
        return any(one.hash == self.hash for one in losses.held_losses(connection))

    def is_as_before(self, connection: Connection, now: datetime) -> bool:  # noqa: ARG002 - as of a plan
        """Whether the same attributes are lost, and nobody approved that since they were loaded."""
        return self.found in losses.held_losses(connection)

    def decide(
        self,
        connection: Connection,
        *,
        approved: bool,  # noqa: ARG002 - a loss is only approved
        by: str,
        reason: str | None,
        now: datetime,
    ) -> Decision:
        """Store a person's approval."""
        return losses.approve(connection, self.found, by=by, reason=reason, now=now)

    def document(self) -> dict[str, Any]:
        """Its own fields in JSON."""
        return {
            "target": None, "first_delivery": False, "harmful": 0, "changes": [], "losses": list(self.found.losses),
        }  # fmt: skip


Held = HeldPlan | HeldPull


def load(database: Database, config: Config) -> list[Held]:
    """Everything that is held of the configured targets. What is held of a database that a target had before is left
    out: only a run against that database could apply a decision."""
    now = datetime.now(UTC)
    with database.read() as connection:
        pulls = [HeldPull(one, now) for one in losses.held_losses(connection)]
        plans = [
            HeldPlan(one, frozenset({one.share.target_name, *approvals.names_of(connection, one.share.target)}), made)
            for one in approvals.held_shares(connection)
            if not approvals.names_of(connection, one.share.target).isdisjoint(config.targets)
            for made in [_decisions(connection, one, now)]
        ]
    return [*pulls, *plans]


def _decisions(connection: Connection, one: HeldShare, now: datetime) -> Decisions:
    return approvals.decisions_of(connection, one.share.target, one.share.directory, now)


def decide(
    database: Database, held: Sequence[Held], *, approved: bool, by: str, reason: str | None
) -> dict[str, Decision]:
    """Store a person's decision about each of these, and return it by hash.

    Raises UsersyncError if somebody else decided since they were loaded, and StateError.
    """
    now = datetime.now(UTC)
    with database.write() as connection:
        for one in held:
            if not one.is_held(connection):
                raise UsersyncError(
                    f"{one.what} is no longer held: the plan has changed, and nothing was decided",
                    "`usersyncd approve` lists what is held now",
                )
            if not one.is_as_before(connection, now):
                raise UsersyncError(
                    f"somebody else has just decided about changes of {one.name}",
                    "see the decision with `usersyncd status`",
                )
        return {one.hash: one.decide(connection, approved=approved, by=by, reason=reason, now=now) for one in held}


def undo_rejections(database: Database, what: str) -> dict[str, int]:
    """End the rejections of a directory or target. Returns how many changes each concerned, by the share's name."""
    ended: dict[str, int] = {}
    with database.write() as connection:
        for one in approvals.open_decisions(connection, datetime.now(UTC)):
            share = one.share
            names = {share.directory_name, share.target_name, *approvals.names_of(connection, share.target)}
            if not one.decision.approved and what in names:
                approvals.end(connection, share.target, share.directory, one.identities)
                name = f"{share.directory_name} in {share.target_name}"
                ended[name] = ended.get(name, 0) + len(one.identities)
    return ended


# ---- JSON


def document(held: Sequence[Held], decided: Mapping[str, Decision] | None = None) -> dict[str, Any]:
    """``approve --json`` and ``reject --json``: what is held, with the decision about it, made now or before."""
    return {"format": 1, "held": [_document(one, (decided or {}).get(one.hash)) for one in held]}


def _document(one: Held, made: Decision | None) -> dict[str, Any]:
    made = made or one.decided(approved=True) or one.decided(approved=False)
    begins = {"directory": one.directory, "hash": one.hash, "since": one.since.isoformat()}
    return begins | {"decision": made and decision_document(made)} | one.document()


def decision_document(made: Decision) -> dict[str, Any]:
    """A decision in JSON. ``until``: when an approval ends."""
    return {
        "decision": "approved" if made.approved else "rejected",
        "by": made.by,
        "at": made.at.isoformat(),
        "reason": made.reason,
        "until": (made.at + LASTS).isoformat() if made.approved else None,
    }


# ---- for a person


def show_list(held: Sequence[Held]) -> None:
    """Each held share, and the command for it."""
    if not held:
        say("Nothing is held.")
    for one in held:
        text.show(Text(f"{one.what}, held since {text.local(one.since.isoformat())}"))
        made = one.decided(approved=True) or one.decided(approved=False)
        if made is None:
            text.show(text.hanging("  → ", f"`{command(one.hash)}` shows them and asks"))
        else:
            text.show(Text(f"  {_decision(made)}; the next run applies this"))


def show_changes(database: Database, config: Config, held: Sequence[Held], *, everything: bool) -> None:
    """Show the held changes: the first of each sort, or all of them."""
    for one in held:
        text.show(Text.assemble((one.what, "bold"), f" ({short(one.hash)})"), text.BLANK)
        if isinstance(one, HeldPull):
            text.show(*(Text(text.clean(str(loss))) for loss in one.found.losses), text.BLANK, indent=2)
            continue
        counts = Counts()
        for line in one.share.changes():
            count(counts, _change(line))
        shown = PackedChanges(
            listed(map(_change, one.share.changes()), ListedChanges.ALL if everything else ListedChanges.FIRST)
        )
        names = names_of(database, config, one.directory)
        text.show(*describe(shown, counts, names, would=True, everything=everything), indent=2)
        text.show(text.BLANK)


def question(held: Sequence[Held], *, approved: bool) -> str:
    """The question before a decision."""
    return text.clean(f"{'Approve' if approved else 'Reject'} {' and '.join(one.what for one in held)}?")


def show_decisions(held: Sequence[Held], decided: Mapping[str, Decision], *, approved: bool) -> None:
    """Show what was decided, and what happens next."""
    for one in held:
        made = decided.get(one.hash)
        if made is None and (before := one.decided(approved=approved)) is not None:
            say(f"{one.what}: already {_decision(before)}. Nothing was changed.")
        elif made is not None:
            say(f"{one.what}: {_decision(made)}. {_following(one, made)}")


def _following(one: Held, made: Decision) -> str:
    now = f"`usersyncd sync {one.directory}` does it now; a running daemon does it within seconds."
    if not made.approved:
        return f"The next run leaves these changes out and delivers the rest of the plan; {now}"
    until = text.local((made.at + LASTS).isoformat())
    does = "delivers them" if isinstance(one, HeldPlan) else "accepts it"
    return f"The next run {does}, if it begins before {until}; {now}"


def _decision(made: Decision) -> str:
    why = f" ({made.reason})" if made.reason else ""
    return f"{'approved' if made.approved else 'rejected'} by {made.by} on {text.local(made.at.isoformat())}{why}"
