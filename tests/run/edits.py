"""Random edits of a directory in memory, and two sets of rules for it."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import strategies as st

from tests.run.world import World, rules
from usersyncd.core.model import Ruleset
from usersyncd.plugin import Kind

USERS = [f"u{number}" for number in range(5)]
GROUPS = [f"g{number}" for number in range(4)]
TITLES = ["Boss", "Cook", "Porter"]

PLAIN = (Ruleset(), Ruleset())
RULED = (
    rules('user.title != "Porter"', "uid", uid="user.id", title="user.title", groups="user.groups",
          boss="user.manager.title"),
    rules('group.displayName != "hidden"', "gid", gid="group.id", name="group.displayName"),
)  # fmt: skip

Edit = tuple[Any, ...]
"""A function below, and its arguments after the world."""


def joins_or_changes(world: World, user: str, title: str, manager: str | None) -> None:
    world.user(user, title=title, **({} if manager is None else {"manager": manager}))
    if (login := f"login:{user}") not in {handle for some in world.directory.handles.values() for handle in some}:
        world.directory.handles.setdefault((Kind.USER, user), (login,))


def leaves(world: World, user: str) -> None:
    """Delete a user, but not the memberships: a directory may go on naming a deleted user."""
    world.directory.users.pop(user, None)
    world.directory.handles.pop((Kind.USER, user), None)


def swap_logins(world: World, one: str, other: str) -> None:
    handles, keys = world.directory.handles, ((Kind.USER, one), (Kind.USER, other))
    if all(key in handles for key in keys):
        handles[keys[0]], handles[keys[1]] = handles[keys[1]], handles[keys[0]]


def shares_login(world: World, one: str, other: str) -> None:
    """Two users get the same login: then it identifies neither of them."""
    handles, keys = world.directory.handles, ((Kind.USER, one), (Kind.USER, other))
    if all(key in handles for key in keys):
        handles[keys[0]] = handles[keys[1]]


def comes_or_is_renamed(world: World, group: str, name: str) -> None:
    world.directory.groups[group] = {"displayName": name if name == "hidden" else f"{name} {group}"}
    world.directory.members.setdefault(group, set())


def goes(world: World, group: str) -> None:
    world.directory.groups.pop(group, None)
    world.directory.members.pop(group, None)


def membership(world: World, group: str, member: str, stays: bool) -> None:
    if group in world.directory.groups:
        members = world.directory.members[group]
        members.add(member) if stays else members.discard(member)


def populate(world: World, random: Random) -> None:
    """Create all users and groups, so that every edit finds some."""
    for user in USERS:
        joins_or_changes(world, user, random.choice(TITLES), random.choice([None, *USERS, f"login:{user}"]))
    for group in GROUPS:
        comes_or_is_renamed(world, group, random.choice(["app", "ops", "hidden"]))
        for member in random.sample([*USERS, *GROUPS, *map("login:{}".format, USERS)], 5):
            membership(world, group, member, stays=True)


users = st.sampled_from(USERS)
groups = st.sampled_from(GROUPS)
logins = users.map("login:{}".format)
edits = st.one_of(
    st.tuples(st.just(joins_or_changes), users, st.sampled_from(TITLES), st.none() | users | logins),
    st.tuples(st.just(leaves), users),
    st.tuples(st.just(swap_logins), users, users),
    st.tuples(st.just(shares_login), users, users),
    st.tuples(st.just(comes_or_is_renamed), groups, st.sampled_from(["app", "ops", "hidden"])),
    st.tuples(st.just(goes), groups),
    st.tuples(st.just(membership), groups, users | groups | logins, st.sampled_from([True, True, False])),
)
