"""A pull of one person: it changes the snapshot as a pull of the directory would, and nothing else."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from msgspec import structs

from tests.run.snapshots import snapshot
from tests.run.world import World, rules
from usersyncd.core.model import Guard, Limit
from usersyncd.core.report import PullRun
from usersyncd.errors import LockedError, StateError
from usersyncd.plugin import Kind, Listed, Person, Record, Unread
from usersyncd.state import journal
from usersyncd.state.directories import DirectoryState, known
from usersyncd.state.lock import DIRECTORY, locked
from usersyncd.testing import MemorySource


@pytest.fixture
def acme(world: World) -> World:
    """Ada and Bob in two groups, pulled and delivered; pulls have cursors."""
    world.directory.incremental = True
    world.user("u1", userName="ada", email="ada@acme.example", title="Cook")
    world.user("u2", userName="bob", email="bob@acme.example")
    world.directory.handles = {(Kind.USER, "u1"): ("login:ada",), (Kind.USER, "u2"): ("login:bob",)}
    world.group("g1", "u1", "login:bob")
    world.group("g2", "u2")
    assert world.run().status == "succeeded"
    return world


def state_of(world: World) -> DirectoryState:
    with world.database.read() as connection:
        state = known(connection, world.name)
    assert state is not None
    return state


def fresh(world: World) -> dict[str, Any]:
    """The snapshot that a first pull of the directory gives."""
    folder = world.folder / "fresh"
    folder.mkdir(exist_ok=True)
    other = World(folder, state=f"sqlite:///{folder}/{len(list(folder.iterdir()))}.db")
    other.directory = deepcopy(world.directory)
    assert other.run().status == "succeeded"
    found = snapshot(other.database, other.name)
    other.database.close()
    return found


def delivered(world: World) -> None:
    report = world.deliver()
    assert report.status == "succeeded", report


# ---- what changes


def test_a_changed_person_is_saved_and_delivered(acme: World) -> None:
    acme.user("u1", userName="ada", email="ada@acme.example", title="Boss")
    acme.user("u2", userName="bob", email="bob@acme.example", title="Porter")
    report = acme.ask("u1")
    assert (report.status, report.changed, report.people) == ("succeeded", True, ["u1"])
    assert (report.cause, report.by, report.person) == ("request", "sign-in", "u1")
    delivered(acme)
    assert acme.held()["u1"]["title"] == "Boss"
    assert "title" not in acme.held()["u2"], "nobody asked for Bob"


def test_a_person_who_did_not_change_changes_nothing(acme: World) -> None:
    before = state_of(acme)
    report = acme.ask("u1")
    assert (report.status, report.changed) == ("succeeded", False)
    assert state_of(acme).revision == before.revision


def test_the_cursor_and_the_time_of_the_last_complete_pull_stay(acme: World) -> None:
    before = state_of(acme)
    acme.user("u1", userName="ada", title="Boss")
    assert acme.ask("u1").changed
    after = state_of(acme)
    assert after.revision == before.revision + 1
    assert (after.cursor, after.basis, after.completed_at) == (before.cursor, before.basis, before.completed_at)


@pytest.mark.parametrize("name", ["u1", "login:ada", "ada", "ada@acme.example"])
def test_a_person_is_found_by_id_handle_user_name_and_email(acme: World, name: str) -> None:
    acme.user("u1", userName="ada", email="ada@acme.example", title="Boss")
    assert acme.ask(name).people == ["u1"]
    delivered(acme)
    assert acme.held()["u1"]["title"] == "Boss"


def test_a_person_is_found_by_the_key_in_a_target(world: World) -> None:
    world.target(users=rules(None, "login", login="user.userName", title="user.title"))
    world.user("u1", userName="ada", title="Cook")
    world.synced()
    world.user("u1", userName="augusta", title="Boss")
    assert world.ask("ada").people == ["u1"], "the target still has the old key"
    delivered(world)
    assert world.held()["augusta"]["title"] == "Boss"


def test_a_group_that_the_person_joined_or_left_changes(acme: World) -> None:
    acme.directory.members["g2"].add("u1")
    acme.directory.members["g1"].discard("u1")
    acme.directory.members["g1"].discard("login:bob")
    assert acme.ask("u1").changed
    delivered(acme)
    assert acme.members() == {"g1": {"u2"}, "g2": {"u1", "u2"}}, "Bob stays until somebody asks for Bob"
    assert acme.ask("u2").changed
    delivered(acme)
    assert acme.members() == {"g2": {"u1", "u2"}}


def test_a_renamed_person_keeps_the_groups_that_name_the_new_handle(acme: World) -> None:
    acme.directory.handles[Kind.USER, "u2"] = ("login:bert",)
    acme.directory.members["g1"] = {"u1", "login:bert"}
    assert acme.ask("u2").changed
    delivered(acme)
    assert acme.members() == {"g1": {"u1", "u2"}, "g2": {"u2"}}


def test_a_renamed_person_leaves_a_group_that_still_names_the_old_handle(acme: World) -> None:
    """As in a pull: the group lists a name that nobody has, and goes on listing it."""
    acme.directory.handles[Kind.USER, "u2"] = ("login:bert",)
    assert acme.ask("u2").changed
    delivered(acme)
    assert acme.members() == {"g1": {"u1"}, "g2": {"u2"}}
    assert snapshot(acme.database, acme.name) == fresh(acme)


def test_a_new_person_joins_with_groups(acme: World) -> None:
    acme.user("u3", userName="eve")
    acme.directory.members["g2"].add("u3")
    report = acme.ask("eve")
    assert (report.status, report.people) == ("succeeded", ["u3"])
    delivered(acme)
    assert acme.held()["u3"]["active"] is True
    assert acme.members()["g2"] == {"u2", "u3"}


def test_a_new_person_is_in_a_group_that_listed_the_person_before(acme: World) -> None:
    acme.directory.members["g2"].add("login:eve")
    acme.run()
    acme.user("u3", userName="eve")
    acme.directory.handles[Kind.USER, "u3"] = ("login:eve",)
    acme.ask("u3")
    delivered(acme)
    assert acme.members()["g2"] == {"u2", "u3"}


def test_a_group_that_the_snapshot_does_not_have_waits_for_the_next_pull(acme: World) -> None:
    acme.group("g9", "u1")
    report = acme.ask("u1")
    assert [(one.id, "next pull" in one.reason) for one in report.skipped] == [("g9", True)]
    delivered(acme)
    assert "g9" not in acme.members()
    acme.run()
    assert acme.members()["g9"] == {"u1"}


def test_a_deleted_person_leaves(acme: World) -> None:
    acme.leave("u1")
    report = acme.ask("u1")
    assert (report.status, report.changed) == ("succeeded", True)
    delivered(acme)
    assert acme.held()["u1"]["active"] is False
    assert acme.members() == {"g1": {"u2"}, "g2": {"u2"}}
    assert not acme.ask("u1").changed, "the person has left already"


def test_a_person_who_came_back_is_active_again_with_the_groups(acme: World) -> None:
    acme.leave("u1")
    acme.run()
    assert acme.held()["u1"]["active"] is False
    acme.user("u1", userName="ada")
    acme.directory.members["g2"].add("u1")
    assert acme.ask("u1").changed
    delivered(acme)
    assert acme.held()["u1"]["active"] is True
    assert acme.members()["g2"] == {"u1", "u2"}


def test_a_key_that_passed_to_another_person_reads_both(world: World) -> None:
    world.target(users=rules(None, "login", login="user.userName", title="user.title"))
    world.user("u1", userName="ada")
    world.user("u2", userName="bob")
    world.synced()
    world.user("u1", userName="augusta")
    world.user("u2", userName="ada")
    assert world.ask("ada").people == ["u1", "u2"]
    delivered(world)
    assert set(world.held()) == {"augusta", "ada"}


def test_a_person_who_was_deleted_and_created_again_gets_the_new_id(world: World) -> None:
    world.target(users=rules(None, "login", login="user.userName"))
    world.user("u1", userName="ada")
    world.user("u2", userName="bob")
    world.synced()
    world.leave("u1")
    world.user("u3", userName="ada")
    assert world.ask("ada").people == ["u1", "u3"]
    assert {id_ for _, id_ in snapshot(world.database, world.name)["records"]} == {"u2", "u3"}


# ---- what is refused


def refused(report: PullRun, code: str) -> str:
    assert (report.status, report.code, report.changed) == ("failed", code, False), report
    return str(report.error)


def test_an_unknown_person_is_refused(acme: World) -> None:
    assert "“nobody”" in refused(acme.ask("nobody"), "unknown_person")


@pytest.mark.parametrize("name", ["", "\0", "\ud800", "x" * 601], ids=["empty", "nul", "surrogate", "long"])
def test_a_name_that_nobody_can_have_is_refused(acme: World, name: str) -> None:
    assert "valid characters" in refused(acme.ask(name), "unknown_person")


@pytest.mark.parametrize("name", ["x" * 600, "' OR 1=1 --", "%", "ä\n\u202e"])
def test_an_odd_name_is_nobody(acme: World, name: str) -> None:
    refused(acme.ask(name), "unknown_person")


def test_several_people_with_the_name_are_refused_by_id(acme: World) -> None:
    acme.user("u1", userName="ada", email="same@acme.example")
    acme.user("u2", userName="bob", email="same@acme.example")
    before = snapshot(acme.database, acme.name)
    assert "u1, u2" in refused(acme.ask("same@acme.example"), "ambiguous_person")
    assert snapshot(acme.database, acme.name) == before


def test_several_people_with_the_handle_are_refused_by_id(acme: World) -> None:
    acme.directory.handles[Kind.USER, "u2"] = ("login:ada",)
    acme.run()
    assert "u1, u2" in refused(acme.ask("login:ada"), "ambiguous_person")


def test_an_outage_never_deletes_a_person(acme: World) -> None:
    before = snapshot(acme.database, acme.name)
    acme.directory.faults.down = True
    assert "down" in refused(acme.ask("u1"), "source")
    assert snapshot(acme.database, acme.name) == before


def test_a_directory_that_was_never_pulled_needs_a_whole_pull(world: World) -> None:
    world.user("u1")
    assert "usersyncd sync acme" in refused(world.ask("u1"), "whole_pull")


def test_changed_rules_need_a_whole_pull(acme: World) -> None:
    acme.target(users=rules(None, "uid", uid="user.id"))
    assert "attributes" in refused(acme.ask("u1"), "whole_pull")


def test_a_renamed_directory_needs_a_whole_pull(acme: World) -> None:
    acme.name, acme.was = "corp", "acme"
    acme.target()
    assert "acme" in refused(acme.ask("u1"), "whole_pull")


def test_a_pull_that_waits_for_approval_goes_first(acme: World) -> None:
    """Otherwise people would lose one by one what they must not lose together."""
    for number in range(60):
        acme.user(f"p{number}", email=f"{number}@acme.example")
    acme.run()
    for id_, attributes in list(acme.directory.users.items()):
        acme.user(id_, **{name: value for name, value in attributes.items() if name != "email"})
    assert acme.run().status == "failed"
    before = snapshot(acme.database, acme.name)
    assert "email" in refused(acme.ask("p1"), "whole_pull")
    assert snapshot(acme.database, acme.name) == before


def test_a_connector_that_cannot_read_people_needs_a_whole_pull(acme: World) -> None:
    class OnlyPulls:
        api, Options, mapping = MemorySource.api, MemorySource.Options, MemorySource.mapping

        def __init__(self, *_: Any) -> None: ...

    assert "cannot read one person" in refused(
        acme.ask("u1", job=structs.replace(acme.job, connector=OnlyPulls)), "whole_pull"
    )


def test_a_directory_that_is_being_pulled_is_busy(acme: World) -> None:
    with locked(acme.database, DIRECTORY, acme.name), pytest.raises(LockedError):
        acme.ask("u1")


@pytest.mark.parametrize("step", ["usersyncd.state.directories.save", "usersyncd.state.lock.Lock.verify"])
def test_a_pull_that_is_interrupted_before_its_commit_changes_nothing(
    acme: World, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(acme.database, acme.name)
    acme.user("u1", title="Boss")
    acme.directory.members["g2"].add("u1")

    def cut(*_: Any) -> None:
        raise StateError("the connection was cut")

    with monkeypatch.context() as patch:
        patch.setattr(step, cut)
        refused(acme.ask("u1"), "state")
    assert snapshot(acme.database, acme.name) == before
    assert acme.ask("u1").changed
    assert snapshot(acme.database, acme.name) == fresh(acme)


def test_a_pull_that_is_interrupted_after_its_commit_is_read_again_by_the_next(
    acme: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The history does not say what it changed."""
    acme.user("u3", userName="eve")
    with monkeypatch.context() as patch:
        patch.setattr("usersyncd.state.journal.finish", lambda *_: None)
        acme.ask("eve")
    delivered(acme)
    acme.leave("u3")
    acme.run()
    assert acme.held()["u3"]["active"] is False


class Answers(MemorySource):
    """Answers with ``answer`` for every name."""

    answer: ClassVar[Person | None] = None

    async def person(self, name: str, _listed: Listed) -> Person | None:
        return self.answer


def answering(world: World, answer: Any) -> PullRun:
    class Answer(Answers):
        pass

    Answer.answer = answer
    return world.ask("u1", job=structs.replace(world.job, connector=Answer))


@pytest.mark.parametrize("answer", [
    Person(Record(Kind.GROUP, "u1", {})),
    Person(Record(Kind.USER, "u2", {})),
    Person(Record(Kind.USER, "u1", {}), {"g1": frozenset({"u2"})}),
    Person(Record(Kind.USER, "u1", {}), {"g1": frozenset({"login:ada"})}),
])  # fmt: skip
def test_an_answer_that_breaks_the_contract_changes_nothing(acme: World, answer: Person) -> None:
    before = snapshot(acme.database, acme.name)
    assert "fault of the connector" in refused(answering(acme, answer), "source")
    assert snapshot(acme.database, acme.name) == before


def test_a_person_whose_attributes_are_hidden_keeps_the_last_state(acme: World) -> None:
    before = snapshot(acme.database, acme.name)
    report = answering(acme, Person(Unread(Kind.USER, "u1", "the directory hides title")))
    assert (report.status, [failed.id for failed in report.failed]) == ("partial", ["u1"])
    assert snapshot(acme.database, acme.name) == before


def test_the_guard_holds_what_one_person_loses(acme: World) -> None:
    acme.target(guard=Guard(deactivations=Limit(0, percent=False), at_least=0))
    acme.leave("u1")
    assert acme.ask("u1").changed
    assert acme.deliver().status == "held"
    assert acme.held()["u1"]["active"] is True


# ---- the next pull


def test_the_next_pull_reports_the_same_changes_again_without_harm(acme: World) -> None:
    acme.user("u1", userName="ada", title="Boss")
    acme.directory.members["g2"].add("u1")
    acme.leave("u2")
    acme.ask("u1")
    acme.ask("u2")
    assert acme.run().status == "succeeded"
    assert snapshot(acme.database, acme.name)["members"] == fresh(acme)["members"]
    assert snapshot(acme.database, acme.name)["records"] == fresh(acme)["records"]


def test_what_came_and_left_between_two_pulls_leaves_although_the_feed_does_not_report_it(acme: World) -> None:
    """The feed of the directory in memory compares two listings: it never names Eve, nor that Ada was in g2."""
    acme.user("u3", userName="eve")
    acme.directory.members["g2"].add("u1")
    acme.ask("u3")
    acme.ask("u1")
    delivered(acme)
    assert acme.members()["g2"] == {"u1", "u2"}
    acme.leave("u3")
    acme.directory.members["g2"].discard("u1")
    report = acme.run()
    assert report.pull is not None
    assert not report.pull.complete
    assert acme.held()["u3"]["active"] is False
    assert acme.members() == {"g1": {"u1", "u2"}, "g2": {"u2"}}
    assert snapshot(acme.database, acme.name) == fresh(acme)


def test_people_are_read_again_until_a_pull_succeeds(acme: World) -> None:
    acme.user("u3", userName="eve")
    acme.ask("u3")
    delivered(acme)
    acme.leave("u3")
    acme.directory.faults.down = True
    assert acme.run().status == "failed"
    acme.directory.faults.down = False
    assert acme.run().status == "succeeded"
    assert acme.held()["u3"]["active"] is False


# ---- the history


def test_the_history_has_only_what_changed_and_no_pull_of_a_person_hides_a_silent_stop(acme: World) -> None:
    def runs() -> list[tuple[str, str | None]]:
        with acme.database.read() as connection:
            found = journal.history(connection, 10, acme.name, kinds=(journal.RunKind.PULL, journal.RunKind.PERSON))
        return [(run.cause, run.person) for run in found if isinstance(run, PullRun)]

    acme.ask("u1")
    assert runs() == [("manual", None)]
    acme.user("u1", title="Boss")
    acme.ask("u1")
    acme.ask("nobody")
    acme.directory.faults.down = True
    acme.ask("u2")
    assert runs() == [("request", "u2"), ("request", "u1"), ("manual", None)]
    with acme.database.read() as connection:
        last = journal.last(connection, acme.name, datetime.now(UTC) + timedelta(hours=1), "succeeded")
        started = [run.started for run in journal.history(connection, 10, kinds=(journal.RunKind.PULL,))]
    assert last == started[0]
