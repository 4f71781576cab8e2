"""Which records are shaped again, and how a record fails: a rule fails for it, or another record has its key."""

from __future__ import annotations

from random import Random
from string import ascii_letters

from sqlalchemy import select

from tests.run.world import World, rules
from usersyncd.core.listed_changes import ListedChanges
from usersyncd.core.report import Failed
from usersyncd.plugin import Kind
from usersyncd.state.columns import NUMBER
from usersyncd.state.tables import directories, records

DEPENDENT = rules(None, "uid", uid="user.id", title="user.title", groups="user.groups", boss="user.manager.title")
LOUD = rules(None, "uid", uid="user.id", title="user.title.upperAscii()")
NO_GROUPS = rules("false", "gid", gid="group.id")
KEYED = rules(None, "email", email="user.email", name="user.displayName")


def shaped(world: World) -> set[str]:
    """Return the users that were to be shaped again after the last pull."""
    last = select(directories.c.revision).scalar_subquery()
    with world.database.read() as connection:
        query = select(records.c.id).where(records.c.kind == NUMBER[Kind.USER], records.c.revision == last)
        return set(connection.scalars(query))


def changed(world: World) -> set[str]:
    """Sync, and return the ids of the updated users."""
    report = world.run(changes=ListedChanges.ALL)
    assert report.status == "succeeded", report
    changes = world.changes(report)
    assert {change["op"] for change in changes} <= {"update"}, changes
    assert report.targets[0].counts.users.update == len(changes)
    return {change["id"] for change in changes}


def staff(world: World, *, incremental: bool = True) -> None:
    """Six people, u0 the manager of u1 and u2; three in the group ``inner``, four in ``outer``, which holds it."""
    world.directory.incremental = incremental
    world.target(users=DEPENDENT, groups=NO_GROUPS)
    world.people("u0", title="Boss")
    world.people("u1", "u2", title="Cook", manager="u0")
    world.people("u3", "u4", "u5", title="Cook")
    world.group("inner", "u1", "u2", "u3")
    world.group("outer", "u4", "inner")
    world.synced()
    assert world.held()["u1"]["groups"] == ["inner", "outer"]


# ---- changes of groups and managers


def test_two_groups_with_the_name_that_a_rule_reads_are_noted(world: World) -> None:
    by_name = rules(None, "uid", uid="user.id", role='"ops" in user.groups ? "admin" : "member"')
    world.target(users=by_name, groups=NO_GROUPS)
    world.people("u1", "u2")
    world.group("g1", "u1", displayName="ops")
    world.group("g2", "u2", displayName="other")
    assert world.run().targets[0].notes == []
    world.group("g2", "u2", displayName="ops")
    [note] = world.run().targets[0].notes
    assert note == (
        "2 groups are called “ops”, and a rule compares this name: the members of all of them match (g1, g2)\n"
        "  → compare the id of the right group instead, in user.group_ids"
    )
    world.people("u3")
    assert world.run().targets[0].notes == [], "noted by the delivery in which the groups changed"
    assert world.plan().targets[0].notes == [note], "and in every plan"
    world.target(users=rules(None, "uid", uid="user.id", role='"g1" in user.group_ids ? "admin" : "member"'))
    assert world.plan().targets[0].notes == []
    world.run()
    assert {id_: held["role"] for id_, held in world.held().items()} == {"u1": "admin", "u2": "member", "u3": "member"}


def test_the_ids_of_groups_count_at_any_depth(world: World) -> None:
    world.target(users=rules(None, "uid", uid="user.id", ids="user.group_ids"), groups=NO_GROUPS)
    world.people("u1")
    world.group("inner", "u1")
    world.group("outer", "inner")
    world.run()
    assert world.held()["u1"]["ids"] == ["inner", "outer"]


def test_a_renamed_group_changes_its_members(world: World) -> None:
    staff(world)
    world.directory.groups["inner"]["displayName"] = "core"
    assert changed(world) == shaped(world) == {"u1", "u2", "u3"}
    world.directory.groups["outer"]["displayName"] = "all"
    assert changed(world) == {"u1", "u2", "u3", "u4"}
    assert world.held()["u1"]["groups"] == ["all", "core"]


def test_a_changed_membership_changes_the_members_that_joined_or_left(world: World) -> None:
    staff(world)
    world.directory.members["inner"] = {"u2", "u3", "u5"}
    assert changed(world) == shaped(world) == {"u1", "u5"}
    world.directory.members["outer"] = {"inner", "u4", "u2"}
    assert changed(world) == shaped(world) == set(), "u2 was in it through the nested group"
    world.directory.members["outer"] = {"u4"}
    assert changed(world) == {"u2", "u3", "u5"}


def test_a_created_or_deleted_group_changes_its_members(world: World) -> None:
    staff(world)
    world.group("third", "u0", "u5")
    assert changed(world) == {"u0", "u5"}
    world.leave("third", kind=Kind.GROUP)
    assert changed(world) == {"u0", "u5"}


def test_a_changed_manager_changes_the_direct_reports(world: World) -> None:
    staff(world)
    world.people("u0", title="Director")
    assert changed(world) == shaped(world) == {"u0", "u1", "u2"}
    world.people("u1", title="Cook", manager="u4")
    assert changed(world) == shaped(world) == {"u1"}
    assert world.held()["u1"]["boss"] == "Cook"


def test_a_manager_who_leaves_changes_the_direct_reports(world: World) -> None:
    staff(world)
    world.leave("u0")
    report = world.run(changes=ListedChanges.ALL)
    assert {(change["op"], change["id"]) for change in world.changes(report)} == {
        ("deactivate", "u0"), ("update", "u1"), ("update", "u2"),
    }  # fmt: skip
    assert "boss" not in world.held()["u1"]


def test_a_complete_pull_finds_the_same_changes(world: World) -> None:
    staff(world, incremental=False)
    world.directory.groups["inner"]["displayName"] = "core"
    world.people("u0", title="Director")
    world.directory.members["outer"].add("u5")
    assert changed(world) == {"u0", "u1", "u2", "u3", "u5"}
    assert changed(world) == set()


def test_an_edited_rule_shapes_every_record_again(world: World) -> None:
    staff(world)
    world.target(users=LOUD, groups=NO_GROUPS)
    assert changed(world) == {"u0", "u1", "u2", "u3", "u4", "u5"}
    assert world.held()["u1"]["title"] == "COOK"
    assert changed(world) == set()


def test_an_edited_mapping_shapes_every_record_again(world: World) -> None:
    world.people("u1", "u2", title="Cook", job="Chef")
    world.synced()
    world.attributes = {"title": "raw.job"}
    assert changed(world) == {"u1", "u2"}
    assert world.held()["u1"]["title"] == "Chef"


def test_an_edited_rule_that_could_not_be_delivered_is_delivered_later(world: World) -> None:
    staff(world)
    world.target(users=LOUD, groups=NO_GROUPS)
    world.store.faults.down = True
    assert world.run().status == "failed"
    world.store.faults.down = False
    world.people("u1", title="Director")
    world.run()
    titles = [shape["title"] for _, shape in sorted(world.held().items())]
    assert titles == ["BOSS", "DIRECTOR", "COOK", "COOK", "COOK", "COOK"]


# ---- rules that fail


def test_a_record_for_which_a_rule_fails_is_named_and_its_object_stays_as_it_is(world: World) -> None:
    world.target(users=rules(None, "uid", uid="user.id", number="int(user.employeeNumber)"))
    world.people("u1", "u2", employeeNumber="7")
    world.group("g1", "u1", "u2")
    world.synced()
    world.people("u1", employeeNumber="8")
    world.people("u2", employeeNumber="eight")
    for _ in range(2):
        report = world.run()
        assert report.status == "partial"
        [failed] = report.targets[0].failed
        assert (failed.kind, failed.id, failed.at) == (Kind.USER, "u2", "config.yaml:7")
        assert failed.error.startswith("number: ")
        assert {key: shape["number"] for key, shape in world.held().items()} == {"u1": 8, "u2": 7}
        assert world.held()["u2"]["active"] is True
        assert world.members() == {"g1": {"u1", "u2"}}
    world.people("u2", employeeNumber="9")
    assert world.synced().counts.users.update == 1
    assert world.held()["u2"]["number"] == 9


def test_a_record_for_which_a_rule_fails_is_shaped_again_in_every_run(world: World) -> None:
    """The cause may be a change elsewhere, in a group or a manager."""
    world.directory.incremental = True
    world.target(users=rules(None, "uid", uid="user.id", number="int(user.employeeNumber)"))
    world.people("u1", employeeNumber="x")
    assert world.run().targets[0].failures == 1
    assert world.run().targets[0].failures == 1


def test_a_leaver_for_which_a_rule_fails_is_deactivated(world: World) -> None:
    world.target(users=rules(None, "uid", uid="user.id", number="int(user.employeeNumber)"))
    world.people("u1", employeeNumber="7")
    world.synced()
    world.people("u1", employeeNumber="seven")
    assert world.run().status == "partial"
    world.leave("u1")
    assert world.synced().counts.users.deactivate == 1


# ---- keys


def test_records_with_the_same_key_are_all_named_and_none_is_delivered(world: World) -> None:
    world.target(users=KEYED)
    world.people("u1", "u2", "u3", email="same@acme.example")
    world.people("u4", email="other@acme.example")
    report = world.run()
    assert report.status == "partial"
    assert report.targets[0].failed == [
        Failed(Kind.USER, who, f"its email 'same@acme.example' is also that of {others}\n  → give each its own")
        for who, others in (("u1", "user u2, user u3"), ("u2", "user u1, user u3"), ("u3", "user u1, user u2"))
    ]
    assert set(world.held()) == {"other@acme.example"}
    world.people("u2", email="two@acme.example")
    world.people("u3", email="three@acme.example")
    world.synced()
    assert len(world.held()) == 4


def test_a_record_with_the_key_of_another_is_named_with_its_holder(world: World) -> None:
    world.target(users=KEYED)
    world.people("u1", email="ada@acme.example", displayName="Ada")
    world.synced()
    world.people("u2", email="ada@acme.example", displayName="Imposter")
    report = world.run()
    [failed] = report.targets[0].failed
    assert (failed.id, failed.error) == (
        "u2",
        "its email 'ada@acme.example' belongs to user u1 of acme already\n  → correct one of the two in the directory",
    )
    assert world.held()["ada@acme.example"]["name"] == "Ada"
    world.people("u1", email="lovelace@acme.example", displayName="Ada")
    world.synced()
    assert world.held()["ada@acme.example"]["name"] == "Imposter"
    assert world.held()["lovelace@acme.example"]["name"] == "Ada"


def test_keys_that_pass_to_other_users_arrive_in_one_run(world: World) -> None:
    world.target(users=KEYED)
    for id_, email in (("u1", "a"), ("u2", "b"), ("u3", "c")):
        world.people(id_, email=email, displayName=id_)
    world.synced()
    objects = target_ids(world)
    for id_, email in (("u1", "b"), ("u2", "c"), ("u3", "d"), ("u4", "a")):
        world.people(id_, email=email, displayName=id_)
    world.synced()
    assert {key: shape["name"] for key, shape in world.held().items()} == {"a": "u4", "b": "u1", "c": "u2", "d": "u3"}
    assert target_ids(world).items() >= objects.items()


def test_two_users_that_exchange_their_keys_keep_their_objects(world: World) -> None:
    world.target(users=KEYED)
    for id_, email in (("u1", "a"), ("u2", "b")):
        world.people(id_, email=email, displayName=id_)
    world.synced()
    objects = target_ids(world)
    for id_, email in (("u1", "b"), ("u2", "a")):
        world.people(id_, email=email, displayName=id_)
    world.synced()
    assert {key: shape["name"] for key, shape in world.held().items()} == {"a": "u2", "b": "u1"}
    assert target_ids(world) == objects


def target_ids(world: World) -> dict[str, str]:
    """Return the target id of each object by the name in it."""
    return {str(held.attributes["name"]): target_id for target_id, held in world.store.users.items()}


def test_a_record_without_a_key_is_named(world: World) -> None:
    world.target(users=KEYED)
    world.people("u1", email="a")
    world.people("u2", displayName="Nobody")
    [failed] = world.run().targets[0].failed
    assert (failed.id, failed.error, failed.at) == ("u2", "has no key: email is empty", "config.yaml:7")
    assert set(world.held()) == {"a"}


def test_a_record_with_an_overlong_key_fails_alone(world: World) -> None:
    """PostgreSQL cannot index such a key: with the state there, every delivery would fail."""
    world.target(users=KEYED)
    random = Random(1)
    world.people("u1", email="a")
    world.people("u2", email="".join(random.choices(ascii_letters, k=9_000)))
    world.people("u3", email="".join(random.choices("李王張", k=600)))
    [failed] = world.run().targets[0].failed
    assert (failed.id, failed.error) == ("u2", "has no key: email has more than 600 characters")
    assert len(world.held()) == 2


def test_two_directories_with_the_same_key_in_one_target(world: World) -> None:
    """The record that has the key keeps it. The other one fails, and the error names the holder."""
    world.target(users=KEYED)
    world.people("u1", email="ada@acme.example", displayName="Ada")
    world.synced()
    other = World(world.folder, state=world.url)
    other.name = "other"
    other.stores = world.stores
    world.beside, other.beside = [other], [world]
    other.target(users=KEYED)
    other.people("x1", email="ada@acme.example", displayName="Ada elsewhere")
    [failed] = other.run().targets[0].failed
    assert failed.error.startswith("its email 'ada@acme.example' belongs to user u1 of acme already\n")
    other.database.close()
