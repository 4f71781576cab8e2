"""A harmful change is known by what it does to what: not by values, and never as another one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from usersyncd.core.approvals import (
    Approved,
    Decision,
    approved_part,
    command,
    decided,
    first_delivery,
    harmful,
    hash_of,
    identity,
    named,
    removals,
)
from usersyncd.core.guard import EMPTIED, Harm, Sort, limited
from usersyncd.core.model import Guard, Limit
from usersyncd.plugin import Change, Kind, Member, Op

USER, GROUP = Kind.USER, Kind.GROUP
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANN = Decision(1, True, "ann", NOON, None, "sha256:1")
BEFORE: Any = {"active": True, "title": "Cook", "name": "Ada"}
AFTER: Any = {"active": True, "title": None, "name": "Eve"}
UPDATE = Change(Op.UPDATE, USER, "acme", "u1", "ada", BEFORE, AFTER, target_id="t1")
MEMBERS = (Member(USER, "u1", "ann", "t1"), Member(GROUP, "g2", "staff", "t2"))
REMOVAL = Change(Op.REMOVE, GROUP, "acme", "g1", "owners", members=MEMBERS, target_id="t0")
ALL = limited(Guard(updates=Limit(10, True)))


def identities(change: Change, **more: Any) -> list[str]:
    return [one for _, one in harmful(change, ALL, **more)]


@pytest.mark.parametrize(("op", "found"), [
    (Op.UPDATE, ['["user","u1","update"]', '["user","u1","update","title"]']),
    (Op.ADOPT, ['["user","u1","adopt","t1"]']),
    (Op.REACTIVATE, ['["user","u1","reactivate"]']),
    (Op.DEACTIVATE, ['["user","u1","deactivate"]']),
    (Op.DELETE, ['["user","u1","delete"]']),
    (Op.CREATE, []),
])  # fmt: skip
def test_each_operation_has_its_identity(op: Op, found: list[str]) -> None:
    assert identities(structs.replace(UPDATE, op=op)) == found


@pytest.mark.parametrize("other", [{"kind": GROUP}, {"id": "u2"}, {"op": Op.DEACTIVATE}, {"after": {"name": None}}])
def test_another_record_operation_or_attribute_is_another_change(other: dict[str, Any]) -> None:
    assert identities(structs.replace(UPDATE, **other)) != identities(UPDATE)


@pytest.mark.parametrize("other", [
    {"key": "eve"}, {"target_id": "t2"}, {"before": {**BEFORE, "title": "Boss"}}, {"after": {**AFTER, "name": "Eva"}},
])  # fmt: skip
def test_other_values_are_the_same_change(other: dict[str, Any]) -> None:
    assert identities(structs.replace(UPDATE, **other)) == identities(UPDATE)


def test_another_object_is_another_adoption() -> None:
    adoption = structs.replace(UPDATE, op=Op.ADOPT)
    assert identities(structs.replace(adoption, target_id="t2")) != identities(adoption)


def test_members_are_removed_one_by_one_and_the_last_one_empties_the_group() -> None:
    assert removals(REMOVAL) == ['["group","g1","remove","user","u1"]', '["group","g1","remove","group","g2"]']
    assert identities(REMOVAL) == []
    assert identities(REMOVAL, emptied=True) == ['["group","g1","remove"]']
    assert removals(structs.replace(REMOVAL, op=Op.ADD)) == []


def test_a_change_without_a_limit_is_not_harmful() -> None:
    sorts = limited(Guard(deactivations=None, member_removals=None, emptied=None))
    assert Sort.UPDATES not in sorts
    assert list(harmful(structs.replace(UPDATE, op=Op.DEACTIVATE), sorts)) == []
    assert (removals(REMOVAL, sorts), list(harmful(REMOVAL, sorts, emptied=True))) == ([], [])


def test_the_hash_is_of_target_directory_and_identities_in_any_order() -> None:
    made = hash_of("app", "acme", ["a", "b"])
    assert made == hash_of("app", "acme", ["b", "a"])
    others = [("crm", "acme", ["a", "b"]), ("app", "hr", ["a", "b"]), ("app", "acme", ["a"]), ("app", "acme", ["ab"])]
    assert made not in [hash_of(*other) for other in others]
    assert command(made) == f"usersyncd approve {made.removeprefix('sha256:')[:12]}"


@pytest.mark.parametrize(("hours", "counts"), [(0, True), (23.9, True), (24, False), (-23.9, True), (-24, False)])
def test_an_approval_lasts_for_a_day_whatever_the_clock_says(hours: float, counts: bool) -> None:
    assert ANN.is_in_force(NOON + timedelta(hours=hours)) is counts
    assert structs.replace(ANN, approved=False).is_in_force(NOON + timedelta(hours=hours))


def test_a_part_of_a_change_is_approved() -> None:
    title, emptied = '["user","u1","update","title"]', '["group","g1","remove"]'
    approved = {title: ANN, emptied: ANN, '["group","g1","remove","group","g2"]': ANN}
    assert approved_part(UPDATE, (), approved, emptied=False) == Approved(
        frozenset({Harm(Sort.BLANKED, USER, "title")})
    )
    assert approved_part(REMOVAL, [7, 8], approved, emptied=True) == Approved(frozenset({EMPTIED}), frozenset({8}))
    assert approved_part(REMOVAL, [7, 8], {}, emptied=True) == Approved()


def test_a_delivered_change_ends_what_was_decided_about_it() -> None:
    assert set(identities(UPDATE)) <= set(decided(UPDATE, emptied=False))
    assert {*removals(REMOVAL), identity(REMOVAL)} == set(decided(REMOVAL, emptied=True))
    created = structs.replace(UPDATE, op=Op.CREATE, before=None)
    assert list(decided(created, emptied=False)) == ['["user","u1","create"]']


@pytest.mark.parametrize(("one", "text"), [
    (first_delivery("sha256:00"), "first delivery"),
    ('["user","u1","deactivate"]', "deactivate user u1"),
    ('["user","u1","update","title"]', "update user u1: title is emptied"),
    ('["user","u1","adopt","t1"]', "adopt user u1"),
    ('["group","g1","remove"]', "remove the last member from group g1"),
    ('["group","g1","remove","user","u1"]', "remove user u1 from group g1"),
])  # fmt: skip
def test_an_identity_is_described_in_words(one: str, text: str) -> None:
    assert str(named(one)) == text
