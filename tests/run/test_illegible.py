"""Text that is not valid Unicode, such as half an emoji: attributes are repaired, ids and keys are not, and no other
record is affected."""

from __future__ import annotations

import msgspec
import pytest
from structlog.testing import capture_logs

from tests.run.items import WHOLE, group, user
from tests.run.world import World, rules
from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, Members, Patch, Record, Unread

HALF = "\ud83d"


def test_an_attribute_with_broken_text_is_repaired_and_logged(world: World) -> None:
    with capture_logs() as logs:
        report = world.tell([user("u1", title=f"Cook {HALF}", phones=[{"a": HALF}]), user("u2", title="Boss")], WHOLE)
    assert report.status == "succeeded"
    assert {key: shape["title"] for key, shape in world.held().items()} == {"u1": "Cook \ufffd", "u2": "Boss"}
    (warning,) = [line for line in logs if "not valid Unicode" in line["event"]]
    assert (warning["log_level"], warning["count"], warning["first"]) == ("warning", 1, ["user u1: title, phones"])
    again = world.tell([user("u1", title=f"Cook {HALF}", phones=[{"a": HALF}]), user("u2", title="Boss")], WHOLE)
    assert again.targets[0].counts.total == 0, "the same broken text is not a change"


@pytest.mark.parametrize(("id_", "shown"), [(f"u{HALF}", "u\\ud83d"), ("u\0", "u\\x00")])
def test_a_record_with_a_broken_id_fails_by_name(world: World, id_: str, shown: str) -> None:
    report = world.tell([user(id_), user("u2"), group("g1"), Members("g1", frozenset({"u2"}))], WHOLE)
    assert report.status == "partial"
    assert [(one.kind, one.id) for one in report.failed] == [(Kind.USER, shown)]
    assert "its id is not valid Unicode" in report.failed[0].error
    assert (set(world.held()), world.members()) == ({"u2"}, {"g1": {"u2"}})
    msgspec.json.encode(report)


def test_no_record_counts_as_deleted_while_an_id_is_broken(world: World) -> None:
    """The missing record may be the one with the broken id."""
    world.tell([user("u1"), user("u2"), user("u3", title="Cook")], WHOLE)
    world.tell([user(f"u{HALF}"), user("u2"), user("u3", title="Boss")], WHOLE)
    assert {key: shape["active"] for key, shape in world.held().items()} == {"u1": True, "u2": True, "u3": True}
    assert world.held()["u3"]["title"] == "Boss"
    world.tell([user("u2"), user("u3", title="Boss")], WHOLE)
    assert world.cursors == [None, "1", None]
    assert not world.held()["u1"]["active"]


def test_a_known_record_whose_name_is_broken_now_stays_as_it_was(world: World) -> None:
    world.tell([Record(Kind.USER, "u1", {"title": "Cook"}, ("uid:u1",)), user("u2")], WHOLE)
    report = world.tell([Record(Kind.USER, "u1", {"title": "Boss"}, (f"uid:{HALF}",)), user("u2")], WHOLE)
    assert [(one.id, "its name is not" in one.error) for one in report.failed] == [("u1", True)]
    assert world.held()["u1"]["title"] == "Cook"


def test_a_group_with_a_member_of_a_broken_name_keeps_its_members_and_fails_by_name(world: World) -> None:
    people, both = [user("u1"), user("u2")], Members("g1", frozenset({"u1", "u2"}))
    world.tell([*people, group("g1"), both, group("g2"), Members("g2", both.added)], WHOLE)
    broken = [Members("g1", frozenset({f"uid:{HALF}"})), Members("g1", frozenset({"u2"}))]
    report = world.tell([*people, group("g1"), *broken, group("g2"), Members("g2", frozenset({"u1"}))], WHOLE)
    assert report.status == "partial"
    assert [(one.kind, one.id) for one in report.failed] == [(Kind.GROUP, "g1")]
    assert "its member's name is not valid Unicode" in report.failed[0].error
    assert world.members() == {"g1": {"u1", "u2"}, "g2": {"u1"}}
    world.tell([*people, group("g1"), Members("g1", frozenset({"u2"}))], WHOLE)
    assert world.members()["g1"] == {"u2"}


def test_a_new_group_has_the_members_whose_names_can_be_read(world: World) -> None:
    report = world.tell([user("u1"), group("g1"), Members("g1", frozenset({"u1", f"uid:{HALF}"}))], WHOLE)
    assert (report.status, world.members()) == ("partial", {"g1": {"u1"}})


def test_broken_text_in_a_patch_is_repaired_too(world: World) -> None:
    world.tell([user("u1", title="Cook")], WHOLE)
    world.tell([Patch(Kind.USER, "u1", {"title": HALF})], WHOLE)
    assert world.held()["u1"]["title"] == "\ufffd"


def test_a_record_with_broken_text_in_its_key_fails(world: World) -> None:
    world.target(users=rules(None, "login", login="user.userName", title="user.title"))
    world.tell([user("u1", userName="ada", title="Cook"), user("u2", userName="bob")], WHOLE)
    report = world.tell([user("u1", userName=f"ada{HALF}", title="Boss"), user("u2", userName="bob")], WHOLE)
    assert report.status == "partial"
    assert "login has a character that could not be read (U+FFFD)" in report.targets[0].failed[0].error
    assert {shape["login"]: shape.get("title") for shape in world.held().values()} == {"ada": "Cook", "bob": None}
    world.tell([user("u1", userName="ada", title="Boss"), user("u2", userName="bob")], WHOLE)
    assert {shape.get("title") for shape in world.held().values()} == {"Boss", None}


def test_a_reason_that_quotes_broken_text_can_be_stored(world: World) -> None:
    report = world.tell([user("u1"), Unread(Kind.USER, "u2", f"its name {HALF} is odd")], WHOLE)
    assert [one.error for one in report.failed] == ["its name \\ud83d is odd"]


def test_an_error_escapes_broken_text() -> None:
    assert str(SourceError(f"no answer for {HALF}", f"see {HALF}")) == "no answer for \\ud83d\n  → see \\ud83d"


@pytest.mark.parametrize("text", ["ä😀", "plain", "\x00"])
def test_valid_text_is_not_changed(world: World, text: str) -> None:
    with capture_logs() as logs:
        world.tell([user("u1", title=text)], WHOLE)
    assert world.held()["u1"]["title"] == text
    assert not [line for line in logs if "Unicode" in line["event"]]
