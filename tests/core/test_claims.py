"""Who gets a key: create, adopt or conflict, as a table."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from usersyncd.core.claims import PLAIN, Claimant, Found, Going, Holder, Policy, Verdict, judge
from usersyncd.plugin import Held, Kind

NEW = Claimant(ref=1, kind=Kind.USER, id="new", directory="hr", key="ann@x", new=True, consent=False, revision=5)
MOVER = structs.replace(NEW, id="mover", new=False)
WILLING = structs.replace(NEW, consent=True)
FIRST = Policy("first", opening=True, attribute="email", ruled=True)
LATER = structs.replace(FIRST, opening=False)
ALWAYS = structs.replace(LATER, adopt="always")
OPENING = structs.replace(ALWAYS, opening=True)
NEVER = structs.replace(FIRST, adopt="never")

OBJECT = Held("7", "ann@x", {"email": "ann@x", "active": True})


def holder(going: Going, directory: str = "hr", revision: int = 5, key: str = "ann@x") -> Holder:
    return Holder(2, "old", directory, going, "7", revision, key)


def found(owner: Holder | None = None, **more: Any) -> Found:
    active = more.pop("active", True)
    exact = more.pop("exact", True)
    held = structs.replace(OBJECT, key="ann@x" if exact else "Ann@X", attributes={"active": active})
    return Found(held, exact, more.get("mine", False), more.get("protected", False), owner)


def adopts(verdict: Verdict) -> tuple[int | None, bool] | None:
    """Return the link that loses the object, and whether the guard counts the adoption."""
    return None if verdict.adopts is None else (verdict.takes, verdict.counted)


@pytest.mark.parametrize("claimant", [NEW, MOVER], ids=["new", "mover"])
def test_a_free_key_is_granted(claimant: Claimant) -> None:
    assert judge(claimant, [], [], FIRST) == PLAIN


@pytest.mark.parametrize(
    ("claimant", "seen", "policy", "wanted"),
    [
        # Linked to nobody.
        pytest.param(NEW, found(), FIRST, (None, False), id="first delivery"),
        pytest.param(NEW, found(active=False), FIRST, None, id="first delivery, inactive"),
        pytest.param(NEW, found(), LATER, None, id="later"),
        pytest.param(NEW, found(), NEVER, None, id="never"),
        pytest.param(NEW, found(), ALWAYS, (None, True), id="always, counted"),
        pytest.param(NEW, found(), OPENING, (None, False), id="always, first delivery"),
        pytest.param(NEW, found(active=False), ALWAYS, None, id="always, inactive"),
        pytest.param(WILLING, found(active=False), NEVER, (None, False), id="consent"),
        pytest.param(MOVER, found(), FIRST, None, id="a mover has an object"),
        # The target says whose it is.
        pytest.param(NEW, found(mine=True), NEVER, (None, False), id="its own"),
        pytest.param(NEW, found(mine=True, exact=False), NEVER, (None, False), id="its own, under another key"),
        # A leaver's.
        pytest.param(NEW, found(holder(Going.LEAVES)), LATER, (2, True), id="an id change"),
        pytest.param(NEW, found(holder(Going.LEAVES_DELETED)), LATER, (2, True), id="an id change, else deleted"),
        pytest.param(WILLING, found(holder(Going.LEAVES)), NEVER, (2, False), id="an id change, consent"),
        pytest.param(NEW, found(holder(Going.LEAVES)), NEVER, None, id="an id change, never"),
        pytest.param(NEW, found(holder(Going.LEAVES, "other")), LATER, None, id="leaves another directory"),
        pytest.param(NEW, found(holder(Going.LEAVES, revision=4)), LATER, None, id="left in an earlier pull"),
        pytest.param(NEW, found(holder(Going.LEAVES, key="cyd@x")), LATER, None, id="left with another key"),
        pytest.param(NEW, found(holder(Going.LEFT)), ALWAYS, None, id="left before"),
        pytest.param(WILLING, found(holder(Going.LEFT)), NEVER, (2, False), id="left before, consent"),
        pytest.param(WILLING, found(holder(Going.RETURNS)), ALWAYS, None, id="left and came back, consent"),
        pytest.param(MOVER, found(holder(Going.LEAVES)), LATER, None, id="a mover takes nothing"),
        # Somebody's.
        pytest.param(WILLING, found(holder(Going.STAYS)), ALWAYS, None, id="somebody stays"),
        pytest.param(WILLING, found(protected=True), FIRST, None, id="protected"),
        pytest.param(WILLING, found(protected=True, mine=True), FIRST, None, id="protected, its own"),
    ],
)
def test_an_object_is_adopted_only_for_one_of_these_reasons(
    claimant: Claimant, seen: Found, policy: Policy, wanted: tuple[int | None, bool] | None
) -> None:
    verdict = judge(claimant, [], [seen], policy)
    assert adopts(verdict) == wanted
    assert (verdict.error is None) is (wanted is not None)


@pytest.mark.parametrize("claimant", [NEW, MOVER], ids=["new", "mover"])
def test_a_record_waits_for_a_key_that_its_holder_gives_up(claimant: Claimant) -> None:
    assert judge(claimant, [], [found(holder(Going.MOVES))], LATER) == Verdict(waits_for=(2,))
    assert judge(claimant, [holder(Going.MOVES)], [], LATER) == Verdict(waits_for=(2,))


@pytest.mark.parametrize("active", [None, "no", 0, False])
def test_an_object_that_is_not_clearly_active_is_not_adopted_without_consent(active: object) -> None:
    assert judge(NEW, [], [found(active=active)], FIRST).adopts is None


@pytest.mark.parametrize(
    ("claimant", "going"),
    [(NEW, Going.LEFT_DELETED), (MOVER, Going.LEFT_DELETED), (MOVER, Going.LEAVES_DELETED)],
    ids=["new", "mover", "mover, leaves"],
)
def test_an_object_that_is_to_be_deleted_frees_its_key_first(claimant: Claimant, going: Going) -> None:
    assert judge(claimant, [], [found(holder(going))], LATER) == Verdict(frees=(2,))


def test_a_key_that_several_objects_have_is_an_error() -> None:
    assert judge(WILLING, [], [found(), found()], FIRST).error == (
        "the target holds 2 objects with email 'ann@x' (7, 7)\n  → give all but one of them another key, or delete them"
    )


def test_a_key_that_the_target_treats_as_equal_is_a_conflict_that_names_both() -> None:
    verdict = judge(WILLING, [], [found(holder(Going.STAYS), exact=False)], FIRST)
    assert verdict.error == (
        "the target treats its email 'ann@x' as equal to 'Ann@X', the key of user old of hr\n"
        "  → give one of the two another key"
    )


def test_a_record_does_not_conflict_with_its_own_object() -> None:
    own = structs.replace(holder(Going.MOVES), ref=1)
    assert judge(MOVER, [own], [found(own, exact=False)], LATER) == PLAIN


@pytest.mark.parametrize(
    ("going", "error"),
    [
        (
            Going.STAYS,
            "its email 'ann@x' belongs to user old of hr already\n  → correct one of the two in the directory",
        ),
        (Going.LEFT, None),
        (Going.LEAVES, None),
    ],
)
def test_where_the_target_holds_nothing_the_links_decide(going: Going, error: str | None) -> None:
    assert judge(NEW, [holder(going)], [], LATER).error == error


def test_a_refusal_says_how_to_consent() -> None:
    verdict = judge(NEW, [], [found(holder(Going.LEFT))], FIRST)
    assert verdict.error == (
        "its email 'ann@x' is that of user old of hr, who left\n"
        "  → check whose it is; to adopt it for this user: `usersyncd sync hr --adopt new`"
    )
