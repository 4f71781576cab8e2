"""The library of Polis as a sloppy target: no discovery, filters that look at user names only, totals of the database's
limit, groups without members and without externalId."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.connectors.scim.provisioning import EMAIL, Provisioning, Shape, create, members, update
from tests.servers.scim_server import ScimServer
from usersyncd.plugin import Kind, Op

pytestmark = pytest.mark.slow  # It takes minutes to install.
PROFILE = {"discovery": "none", "lists_all": False, "members_readable": False, "match": {"users": ["userName"]}}


@pytest.fixture
def app(polis_server: ScimServer, tmp_path: Path) -> Provisioning:
    return Provisioning(polis_server.tenant(), tmp_path, ruled=True, **PROFILE)


def person(name: str) -> Shape:
    return {"userName": f"{name}@acme.example", EMAIL: f"{name}@acme.example", "active": True}


def test_people_come_change_and_leave(app: Provisioning) -> None:
    people = [person(f"p{number}") for number in range(60)]
    made = app.deliver(*map(create, people))
    assert [outcome.error for outcome in made] == [None] * 60
    ids = [outcome.target_id or "" for outcome in made]
    found = app.find(*(str(one["userName"]) for one in people))
    assert [held.target_id for held in found] == ids
    leaver = people[1] | {"active": False}
    [left, gone] = app.deliver(
        update(ids[1], people[1], leaver, Op.DEACTIVATE), update(ids[2], people[2], people[2], Op.DELETE)
    )
    assert (left.error, gone.error) == (None, None)
    states = {held.target_id: held.attributes["active"] for held in app.find(*(str(p["userName"]) for p in people[:3]))}
    assert states == {ids[0]: True, ids[1]: False}


def test_groups_get_their_members(app: Provisioning) -> None:
    ids = [outcome.target_id or "" for outcome in app.deliver(create(person("ada")), create(person("bob")))]
    [group] = app.deliver(create({"displayName": "Staff"}, Kind.GROUP))
    assert group.error is None
    for op in (Op.ADD, Op.REMOVE):
        [outcome] = app.deliver(members(op, group.target_id or "", ids))
        assert (outcome.error, outcome.refused) == (None, {})
        held = [app.tenant.request("GET", f"_members/{group.target_id}/{id_}")["member"] for id_ in ids]
        assert held == [op is Op.ADD] * 2


def test_somebody_else_s_account_is_named(app: Provisioning) -> None:
    [made] = app.deliver(create(person("ada")))
    [again] = app.deliver(create(person("ada")))
    assert (made.target_id or "") in str(again.error)
