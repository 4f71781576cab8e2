"""The reasons why a person is in a target or not, each with its rule, place, run or command."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any

import msgspec
from msgspec import Struct, structs

from usersyncd.core.approvals import Decision, command, named
from usersyncd.core.links import Link, State
from usersyncd.core.report import DeliveryRun, TargetReport
from usersyncd.core.rules import RuleTrace, ShapeTrace
from usersyncd.core.rules.moments import beginning, end
from usersyncd.errors import Place, split_remedy
from usersyncd.plugin import Change, Kind
from usersyncd.state import approvals, journal, outcomes
from usersyncd.state.approvals import HeldShare
from usersyncd.state.database import Connection

_change = msgspec.json.Decoder(Change).decode
_WITH_OTHERS = " because of others: the changes of this user wait with it"


class Reason(Struct, frozen=True):
    """One reason. ``reason`` is its code. ``rule`` and ``place`` are the text and place of the rule that decides;
    ``reads`` lists the values that it read. ``command``: what to run next."""

    reason: str
    message: str
    remedy: str | None = None
    rule: str | None = None
    place: str | None = None
    reads: list[dict[str, Any]] = []
    command: str | None = None
    run: str | None = None


class SavedShare(Struct, frozen=True):
    """What the state database says about one directory in one target: the last delivery, its report for the directory,
    what is held, and what people rejected and approved, by the identities of the changes."""

    target: str
    directory: str
    delivery: DeliveryRun | None
    report: TargetReport | None
    held: HeldShare | None
    rejected: dict[str, Decision]
    approved: dict[str, Decision]


def load_share(connection: Connection, target: str, number: int | None, directory: str, now: datetime) -> SavedShare:
    """Load what the state database says about a directory in a target. ``number``: that of the target's links."""
    last = [one for one in outcomes.of_directory(connection, directory) if one.target == target]
    runs = [run for one in last for run in journal.find(connection, one.run) if isinstance(run, DeliveryRun)]
    reports = [one for run in runs for one in run.targets if one.directory == directory]
    decisions = {} if number is None else approvals.by_directory(connection, number, now)
    mine = decisions.get(directory)
    held = [
        one
        for one in approvals.held_shares(connection)
        if (one.share.target, one.share.directory_name) == (number, directory)
    ]
    return SavedShare(
        target, directory, runs[0] if runs else None, reports[0] if reports else None, held[0] if held else None,
        dict(mine.rejected) if mine else {}, dict(mine.approved) if mine else {},
    )  # fmt: skip


# ---- the rules


def from_rules(trace: ShapeTrace, canonical: dict[str, Any], zone: tzinfo, now: datetime) -> Iterator[Reason]:
    """Why the rules leave a user out or make one inactive. ``canonical``: the user's attributes."""
    if trace.error is not None:
        message = f"a rule failed, so that the user's object stays as it is: {trace.error}"
        broken = [rule for rule in trace.rules if rule.error is not None and rule.place == trace.place]
        if broken:
            yield _of_rule("rule_error", message, broken[0])
        else:
            yield Reason("rule_error", message, place=_text(trace.place))
    elif trace.shape is None:
        for rule in trace.rules:
            if rule.attribute == "where":
                yield _of_rule("where", "users.where leaves the user out", rule)
    elif trace.shape.get("active") is False:
        yield from (
            _of_rule("inactive", _why_inactive(rule, canonical, zone, now), rule)
            for rule in trace.rules
            if rule.attribute == "active"
        )


def _of_rule(code: str, message: str, rule: RuleTrace) -> Reason:
    reads = [structs.asdict(read) for read in rule.reads]
    return Reason(code, message, rule=rule.rule, place=_text(rule.place), reads=reads)


def _text(place: Place | None) -> str | None:
    return None if place is None else str(place)


def _why_inactive(rule: RuleTrace, canonical: dict[str, Any], zone: tzinfo, now: datetime) -> str:
    reads_active = any(read.name == "user.active" for read in rule.reads)
    if rule.rule is not None and not reads_active:
        return "users.set.active says that the user is not active"
    if rule.rule is None and rule.place is not None:
        return "users.set.active is the constant false"
    if canonical.get("active") is False:
        return "the directory says that the user is not active"
    starts, ends = canonical.get("validFrom"), canonical.get("validUntil")
    if starts and now < beginning(starts, zone):
        return f"the user is not active before {starts} (validFrom)"
    if ends and end(ends, zone) <= now:
        return f"the user is not active after {ends} (validUntil)"
    return "the user is not active"


# ---- what was delivered


def from_share(share: SavedShare, id_: str, *, retried: bool, differs: bool, is_harm: bool) -> Iterator[Reason]:
    """Why changes of a user have not reached the target. ``differs``: the target is not what the rules say;
    ``is_harm``: what differs is a harm that has a limit, so that a plan with it lists it when it is held."""
    held = [] if share.held is None else list(_changes_of(share.held, id_))
    others = list(_not_held(share, id_, retried=retried))
    if share.held is not None and (held or (differs and not is_harm and not share.held.first and not others)):
        yield _held(share, share.held, held)
    yield from others


def _not_held(share: SavedShare, id_: str, *, retried: bool) -> Iterator[Reason]:
    for identity, decision in share.rejected.items():
        if _is_about(identity, id_):
            why = f" ({decision.reason})" if decision.reason else ""
            message = f"{named(identity)} was rejected by {decision.by} on {decision.at:%Y-%m-%d %H:%M}{why}"
            yield Reason("rejected", message, command=f"usersyncd reject {share.directory} --undo")
    yield from _failures(share, id_, retried=retried)
    if share.delivery is not None and share.directory in share.delivery.waits:
        yield Reason(
            "not_pulled", f"{share.directory} was not read yet as the rules demand",
            command=f"usersyncd sync {share.directory}",
        )  # fmt: skip


def _held(share: SavedShare, held: HeldShare, changes: list[str]) -> Reason:
    """``changes``: the held changes of the user. Empty: the changes of the user are harmless and not listed, but a held
    share is not delivered at all."""
    whose = f"{share.directory} in {share.target}"
    if all(one in share.approved for one in held.identities):
        return Reason(
            "held", f"the held changes of {whose} are approved", command=f"usersyncd sync {share.directory}"
        )  # fmt: skip
    what = "the first delivery" if held.first else "the plan"
    its = f": it would {', '.join(dict.fromkeys(changes))}" if changes else _WITH_OTHERS
    return Reason("held", f"the guard holds {what} of {whose}{its}", command=command(held.hash))


def _changes_of(held: HeldShare, id_: str) -> Iterator[str]:
    """``deactivate user u1``, ``remove user u1 from group g1``: the held changes of a user."""
    quoted = msgspec.json.encode(id_)
    for line in held.changes():
        if quoted not in line:
            continue
        change = _change(line)
        if (change.kind, change.id) == (Kind.USER, id_):
            yield f"{change.op} user {id_}"
        elif (Kind.USER, id_) in ((member.kind, member.id) for member in change.members):
            yield f"{change.op} user {id_} {'to' if change.op == 'add' else 'from'} group {change.id}"


def _is_about(identity: str, id_: str) -> bool:
    one = named(identity)
    member = one.member
    return (one.kind, one.id) == (Kind.USER, id_) or (
        member is not None and (member.kind, member.id) == (Kind.USER, id_)
    )


def _failures(share: SavedShare, id_: str, *, retried: bool) -> Iterator[Reason]:
    delivery, report = share.delivery, share.report
    if delivery is None or report is None:
        return
    run = delivery.run
    if error := delivery.error or report.error:
        message, remedy = split_remedy(error)
        yield Reason("delivery_failed", f"the last delivery to {share.target} failed: {message}", remedy, run=run)
    failed = [one for one in report.failed if (one.kind, one.id) == (Kind.USER, id_)]
    for one in failed:
        message, remedy = split_remedy(one.error)
        yield Reason("failed", f"the last delivery failed for the user: {message}", remedy, place=one.at, run=run)
    rejected = any(_is_about(one, id_) for one in share.rejected)
    if retried and not failed and not error and not rejected:
        # A report names the first 1,000 failures only.
        yield Reason("failed", "the last delivery failed for some changes of the user; the next one tries again")


def from_link(link: Link) -> Iterator[Reason]:
    """What is not certain about an object."""
    if link.state is State.PENDING:
        yield Reason(
            "pending", "a change was sent and never acknowledged: the next delivery reads the object first"
        )  # fmt: skip
