"""A directory gets another name (``was``): its records keep their objects, in the state and in the target."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from tests.run.moved import active, copy_of, points_to
from tests.run.world import World, rules
from usersyncd.plugin import Kind
from usersyncd.state.journal import RunKind, history, subject
from usersyncd.state.lock import DIRECTORY, locked
from usersyncd.state.tables import directories, renames


def rename(world: World, name: str = "neu") -> None:
    world.name, world.was = name, world.name
    for target in list(world.targets):
        world.target(target)


def known(world: World) -> list[str]:
    with world.database.read() as connection:
        return list(connection.scalars(select(directories.c.name)))


def unfinished_renames(world: World) -> int:
    with world.database.read() as connection:
        return len(connection.execute(select(renames)).all())


@pytest.fixture
def company(world: World) -> World:
    world.directory.incremental = True
    world.people("u1", "u2", "u3")
    world.group("g1", "u1", "u2")
    world.synced()
    return world


def directories_of(world: World, name: str = "app") -> set[str]:
    store = world.stores[name]
    return {held.directory for kind in Kind for held in store.objects(kind).values()}


def test_every_record_keeps_its_object(company: World) -> None:
    before = set(company.store.users) | set(company.store.groups)
    rename(company)
    for _ in range(2):
        report = company.run()
        assert (report.status, report.targets[0].counts.total) == ("succeeded", 0)
        assert report.pull is not None
        assert not report.pull.complete, "the cursor is still valid"
    assert set(company.store.users) | set(company.store.groups) == before
    assert (directories_of(company), known(company), unfinished_renames(company)) == ({"neu"}, ["neu"], 0)
    company.leave("u2")
    company.people("u4")
    counts = company.synced().counts
    assert (counts.users.create, counts.users.deactivate, counts.memberships.remove) == (1, 1, 1)
    assert active(company.store) == {"u1", "u3", "u4"}


def test_a_plan_renames_nothing(company: World) -> None:
    rename(company)
    company.leave("u2")
    company.people("u4")
    [target] = company.plan().targets
    counts = target.planned.users
    assert (target.leaving, counts.create, counts.deactivate, counts.update) == (False, 1, 1, 0)
    assert (directories_of(company), known(company)) == ({"acme"}, ["acme"])
    company.was, company.name = None, "acme"
    company.target()
    counts = company.synced().counts.users
    assert (counts.create, counts.deactivate, counts.update) == (1, 1, 0)


@pytest.mark.parametrize("when", ["down", "die_before_commit", "die_after_commit"])
def test_the_next_run_renames_in_a_target_that_failed(company: World, when: str) -> None:
    rename(company)
    setattr(company.store.faults, when, True)
    assert company.run().status == "failed"
    assert (known(company), unfinished_renames(company)) == (["neu"], 1)
    rename(company, "newer")
    assert company.run().status == "failed"
    assert unfinished_renames(company) == 2
    setattr(company.store.faults, when, False)
    assert company.synced().counts.total == 0
    assert (directories_of(company), known(company), unfinished_renames(company)) == ({"newer"}, ["newer"], 0)


def test_a_change_that_was_not_answered_before_is_looked_up_under_the_old_name(company: World) -> None:
    company.people("u4")
    company.store.faults.die_after_commit = True
    assert company.run().status == "failed"
    company.store.faults.die_after_commit = False
    rename(company)
    company.synced()
    assert (directories_of(company), sorted(company.held())) == ({"neu"}, ["u1", "u2", "u3", "u4"])


def test_a_target_that_moves_meanwhile_is_renamed_in_both_places(company: World) -> None:
    here, there = company.store, copy_of(company.store, "there")
    rename(company)
    here.faults.down = True
    assert company.run().status == "failed"
    here.faults.down = False
    for store in (there, here):
        points_to(company, store)
        assert company.synced().counts.total == 0
        assert directories_of(company) == {"neu"}


def test_the_old_name_may_stay_in_the_file(company: World) -> None:
    rename(company)
    company.synced()
    company.leave("u1", "u2", "u3")
    company.synced()
    assert company.run().status == "succeeded"


def test_a_name_under_which_it_was_only_planned_does_not_matter(company: World) -> None:
    """The name was changed first, and `was` was added later."""
    rename(company)
    company.was = None
    company.plan()
    assert sorted(known(company)) == ["acme", "neu"]
    company.was = "acme"
    assert company.plan().targets[0].planned.total == 0
    assert company.synced().counts.total == 0
    assert known(company) == ["neu"]


def test_two_directories_that_have_people_do_not_become_one(company: World) -> None:
    rename(company)
    company.was = None
    company.target()
    company.run()
    company.was = "acme"
    for report in (company.plan(), company.run()):
        assert (report.status, report.error) == (
            "failed",
            "directories.neu.was: acme cannot be renamed: targets hold people of acme and of neu\n"
            "  → give acme a name that no directory had, or take `was` out: then acme leaves its targets. If neu has "
            "another name now, rename that first: `was: neu` there, and a sync of it",
        )


def test_a_directory_is_not_renamed_during_a_pull_under_its_old_name(company: World) -> None:
    rename(company)
    with locked(company.database, DIRECTORY, "acme"):
        assert str(company.run().error).startswith("acme: another pull of this directory is under way\n  → ")
    assert known(company) == ["acme"]
    assert company.synced().counts.total == 0


def test_a_renamed_directory_keeps_its_history(company: World) -> None:
    rename(company)
    company.synced()
    with company.database.read() as connection:
        assert [subject(run) for run in history(connection, 9, "neu", kinds=[RunKind.PULL])] == ["neu", "acme"]


@pytest.fixture
def beta(company: World) -> Iterator[World]:
    """A second directory of the same target, which has u1, too, and u4."""
    made = World(company.folder, state=company.url)
    made.name, made.stores = "beta", company.stores
    company.beside, made.beside = [made], [company]
    made.target()
    made.people("u1", "u4")
    made.synced()
    yield made
    made.database.close()


def whose(world: World) -> dict[str, set[str]]:
    """The users that the target holds of each directory, by target id."""
    found: dict[str, set[str]] = {}
    for target_id, held in world.store.users.items():
        found.setdefault(held.directory, set()).add(target_id)
    return found


def renamed_while_down(world: World, name: str) -> None:
    world.store.faults.down = True
    rename(world, name)
    assert world.run().status == "failed"
    world.store.faults.down = False


@pytest.mark.parametrize("first", ["company", "beta"])
def test_a_name_passes_to_another_directory_while_the_target_is_down(company: World, beta: World, first: str) -> None:
    """acme becomes gamma, beta becomes acme, and then delta: the target never knew beta as acme."""
    before = whose(company)
    renamed_while_down(company, "gamma")
    renamed_while_down(beta, "acme")
    renamed_while_down(beta, "delta")
    for world in (company, beta) if first == "company" else (beta, company):
        assert world.synced().counts.total == 0
    assert whose(company) == {"gamma": before["acme"], "delta": before["beta"]}


@pytest.mark.parametrize("first", ["company", "beta"])
def test_two_directories_exchange_their_names_in_three_edits(company: World, beta: World, first: str) -> None:
    before = whose(company)
    renamed_while_down(company, "between")
    renamed_while_down(beta, "acme")
    beta.was = None
    renamed_while_down(company, "beta")
    worlds = [company, beta] if first == "company" else [beta, company]
    for world in worlds * 2:
        world.run()
    for world in worlds:
        assert world.synced().counts.total == 0
    assert whose(company) == {"beta": before["acme"], "acme": before["beta"]}


def test_a_rename_that_the_target_missed_is_delivered_after_the_directory_is_removed(
    company: World, beta: World
) -> None:
    """Otherwise no directory could ever get the old name. The target keeps the leavers of the removed directory."""
    before = whose(company)
    company.group("g1")
    company.leave("u1", "u2", "u3")
    company.directory.remove(Kind.GROUP, "g1")
    company.synced()
    renamed_while_down(company, "gamma")
    company.removed, company.was = True, None
    renamed_while_down(beta, "acme")
    [target] = beta.run().targets
    assert "run `usersyncd sync gamma` first" in str(target.error)
    company.run()
    assert beta.synced().counts.total == 0
    assert whose(company) == {"gamma": before["acme"], "acme": before["beta"]}


def test_a_name_that_another_directory_had_is_refused(company: World, beta: World) -> None:
    """beta is removed from the file, and acme gets its name."""
    rename(company, "beta")
    report = company.run()
    assert report.status == "failed"
    assert str(report.error).endswith(
        "→ give acme a name that no directory had, or take `was` out: then acme leaves its targets. If beta has "
        "another name now, rename that first: `was: beta` there, and a sync of it"
    )


def test_a_new_directory_with_the_old_name_waits_until_the_target_is_renamed(company: World) -> None:
    """Until then, the objects under this name belong to the renamed directory."""
    before = company.name
    rename(company)
    company.store.faults.down = True
    assert company.run().status == "failed"
    company.store.faults.down = False
    renamed, company.name, company.was = company.name, before, None
    company.target()
    [target] = company.run().targets
    assert str(target.error).startswith(f"{renamed} was called {before} before, and this target still uses the name")
    company.name, company.was = renamed, before
    company.target()
    company.synced()
    assert (directories_of(company), unfinished_renames(company)) == ({renamed}, 0)


@pytest.fixture
def forgotten(world: World) -> World:
    """A rename without `was`: acme has left the target, and neu was delivered as another directory.

    neu adopted the account of u1 and created u4. u2 and u3 failed, because their accounts are those of leavers.
    """
    by_login(world)
    for name in ("u1", "u2", "u3"):
        world.user(name, userName=name)
    world.group("g1", "u1", "u2")
    world.synced()
    world.removed, world.unlisted = True, {"app"}
    world.run()
    world.removed, world.unlisted, world.name = False, set(), "neu"
    by_login(world)
    world.user("u4", userName="u4")
    world.group("g1", "u1", "u2", "u4")
    report = world.run(adopt=frozenset({"u1"}))
    assert {failed.id for failed in report.targets[0].failed if failed.kind is Kind.USER} == {"u2", "u3"}
    return world


def by_login(world: World) -> None:
    world.target(users=rules(None, "login", login="user.userName", ref="user.id"))


def test_was_may_be_written_later(forgotten: World) -> None:
    before = {held.key: target_id for target_id, held in forgotten.store.users.items()}
    forgotten.was = "acme"
    by_login(forgotten)
    counts = forgotten.synced().counts.users
    assert (counts.create, counts.adopt, counts.deactivate, counts.reactivate) == (0, 0, 0, 2)
    assert {held.key: target_id for target_id, held in forgotten.store.users.items()} == before
    assert active(forgotten.store) == {"u1", "u2", "u3", "u4"}
    assert forgotten.members() == {"g1": {"u1", "u2", "u4"}}
    assert (known(forgotten), unfinished_renames(forgotten)) == (["neu"], 0)
    assert forgotten.run().targets[0].counts.total == 0
    forgotten.leave("u4", "u1")
    assert forgotten.synced().counts.users.deactivate == 2
    assert forgotten.members() == {"g1": {"u2"}}


def test_other_people_with_the_same_ids_do_not_become_one(forgotten: World) -> None:
    """The records differ, so these are two directories."""
    for name in ("u1", "u2", "u3"):
        forgotten.user(name, userName=f"other {name}")
    forgotten.run()
    forgotten.was = "acme"
    report = forgotten.run()
    assert "acme cannot be renamed: targets hold people of acme and of neu" in str(report.error)
