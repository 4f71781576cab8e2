"""What the target scim sends, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.connectors.scim.provisioning import EMAIL, Provisioning, Shape, create, members, person, update
from tests.servers.scim_server import ScimTenant
from usersyncd.errors import TargetError
from usersyncd.plugin import Kind, Op, Value

ADA = person("ada", givenName="Ada", department="Lab", title="Engineer")
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def writes(app: Provisioning) -> list[tuple[str, str, Any]]:
    return [request for request in app.tenant.requests() if request[0] != "GET"]


def test_a_user_is_created_as_the_standard_says(app: Provisioning) -> None:
    app.deliver(create(ADA))
    [(method, path, body)] = writes(app)
    assert (method, path) == ("POST", "/Users")
    assert body == {
        "externalId": "ada",
        "userName": "ada",
        "emails": [{"type": "work", "value": "ada@acme.example", "primary": True}],
        "name": {"givenName": "Ada"},
        "active": True,
        "title": "Engineer",
        ENTERPRISE: {"department": "Lab"},
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
    }


def test_a_patch_has_what_changed_and_nothing_else(app: Provisioning) -> None:
    [made] = app.deliver(create(ADA))
    after = ADA | {"department": "Works", "title": None, "givenName": "Augusta"}
    app.deliver(update(made.target_id or "", ADA, after))
    _, path, body = writes(app)[-1]
    assert path == f"/Users/{made.target_id}"
    assert body == {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [
            {"op": "replace", "path": "name.givenName", "value": "Augusta"},
            {"op": "replace", "path": f"{ENTERPRISE}:department", "value": "Works"},
            {"op": "remove", "path": "title"},
        ],
    }


@pytest.mark.parametrize("way", ["patch", "put"])
def test_addresses_that_the_rules_do_not_have_stay(scim: ScimTenant, tmp_path: Path, way: str) -> None:
    app = Provisioning(scim, tmp_path, update=way, group_update="put" if way == "put" else "add-remove")
    home = {"type": "home", "value": "ada@home.example", "primary": True}
    user = app.tenant.request("POST", "Users", {"userName": "ada", "nickName": "Countess", "emails": [home]})
    app.deliver(update(user["id"], {"id": "ada", "userName": "ada"}, ADA, Op.ADOPT))
    held = app.users()["ada"]
    assert held["nickName"] == "Countess"
    assert held["emails"] == [home, {"type": "work", "value": "ada@acme.example"}]
    app.deliver(update(user["id"], ADA, ADA | {"email": None}))
    assert app.users()["ada"]["emails"] == [home]


def test_names_under_set_are_scim_paths(scim: ScimTenant, tmp_path: Path) -> None:
    app = Provisioning(scim, tmp_path, ruled=True)
    roles: Value = [{"value": "admin", "primary": True}]
    shape: Shape = {"userName": "ada", EMAIL: "ada@acme.example", "active": True, "roles": roles}
    [made] = app.deliver(create(shape))
    held = app.users()["ada"]
    assert (held["emails"][0]["value"], held["roles"]) == ("ada@acme.example", roles)
    [found] = app.find("ada")
    assert (found.target_id, found.key, found.attributes) == (made.target_id, "ada", shape)


@pytest.mark.parametrize("scim", ["scim_server"], indirect=True)
def test_a_user_name_is_found_in_any_case(scim: ScimTenant, tmp_path: Path) -> None:
    """RFC 7643, section 4.1.1. Filters of SCIMMY compare it with case."""
    app = Provisioning(scim, tmp_path, ruled=True)
    [made] = app.deliver(create({"userName": "ada"}))
    [found] = app.find("ADA")
    assert (found.target_id, found.key) == (made.target_id, "ada")


def test_a_name_that_cannot_be_a_path_is_said_before_anything_is_sent(scim: ScimTenant, tmp_path: Path) -> None:
    app = Provisioning(scim, tmp_path, paths={"users": {"title": "job title"}})
    with pytest.raises(TargetError, match="app: job title is not a SCIM path"):
        app.run(lambda target: target.identity())


@pytest.mark.parametrize("path", ["id", "groups", "members", "password", "meta.created"])
def test_rules_cannot_write_what_belongs_to_the_provider(scim: ScimTenant, tmp_path: Path, path: str) -> None:
    app = Provisioning(scim, tmp_path, paths={"users": {"title": path}})
    with pytest.raises(TargetError, match="rules cannot write"):
        app.run(lambda target: target.identity())


@pytest.mark.parametrize(
    ("setting", "operations"),
    [
        ("filter", [{"op": "remove", "path": 'members[value eq "%s"]'}]),
        ("unquoted-filter", [{"op": "remove", "path": "members[value eq %s]"}]),
        ("value", [{"op": "remove", "path": "members", "value": [{"value": "%s"}]}]),
    ],
)
def test_a_member_is_removed_as_the_provider_wants_it(
    scim: ScimTenant, tmp_path: Path, setting: str, operations: list[dict[str, Any]]
) -> None:
    app = Provisioning(scim, tmp_path, member_removal=setting)
    [ada] = app.deliver(create(ADA))
    [group] = app.deliver(create({"id": "g1", "displayName": "All"}, Kind.GROUP))
    id_ = ada.target_id or ""
    app.deliver(members(Op.ADD, group.target_id or "", [id_]), members(Op.REMOVE, group.target_id or "", [id_]))
    sent = str(writes(app)[-1][2]["Operations"])
    assert sent == str(operations).replace("%s", id_)


@pytest.mark.parametrize(
    ("deprovision", "left"), [("delete", {}), ("deactivate", {"ada": False}), ("ignore", {"ada": True})]
)
def test_a_deletion_is_what_the_profile_says(
    scim: ScimTenant, tmp_path: Path, deprovision: str, left: dict[str, bool]
) -> None:
    app = Provisioning(scim, tmp_path, deprovision=deprovision)
    [made] = app.deliver(create(ADA))
    [outcome] = app.deliver(update(made.target_id or "", ADA, ADA, Op.DELETE))
    assert outcome.error is None
    assert {login: user["active"] for login, user in app.users().items()} == left


def test_a_value_that_the_provider_would_refuse_is_not_sent(scim: ScimTenant, tmp_path: Path) -> None:
    app = Provisioning(scim, tmp_path, lengths={"userName": 5}, charsets={"title": "[A-Z][a-z]*"})
    long, odd = person("augusta"), person("bob", title="@home")
    outcomes = app.deliver(create(long), create(odd), create(ADA))
    assert "userName has 7 characters, and the provider takes at most 5" in str(outcomes[0].error)
    assert "title '@home' has characters" in str(outcomes[1].error)
    assert app.logins() == ["ada"]
    assert len(writes(app)) == 1


def test_a_default_is_for_new_users_only(scim: ScimTenant, tmp_path: Path) -> None:
    entitlement: list[Value] = [{"value": "00e1"}]
    app = Provisioning(
        scim, tmp_path, profile="salesforce", sends=None, required=["userName", "entitlements"],
        defaults={"users": {"entitlements": entitlement}},
    )  # fmt: skip
    [made] = app.deliver(create(ADA))
    assert writes(app)[-1][2]["entitlements"] == entitlement
    app.deliver(update(made.target_id or "", ADA, ADA | {"title": "x"}))
    assert "entitlements" not in str(writes(app)[-1])


def test_what_a_provider_requires_is_said_before_anything_is_sent(scim: ScimTenant, tmp_path: Path) -> None:
    app = Provisioning(scim, tmp_path, profile="salesforce")
    with pytest.raises(TargetError, match="the provider requires entitlements") as raised:
        app.run(lambda target: target.identity())
    assert "defaults" in str(raised.value)
    assert app.tenant.requests() == []


def test_requests_keep_the_providers_quotas(scim: ScimTenant, tmp_path: Path) -> None:
    app = Provisioning(scim, tmp_path, rates={"users": "60/min"})
    app.deliver(*(create(person(f"p{number}")) for number in range(6)))
    assert 4 < sum(app.clock.slept) < 120, "6 users at one in a second"
    app.clock.slept.clear()
    app.deliver(*(create({"id": f"g{number}", "displayName": f"g{number}"}, Kind.GROUP) for number in range(6)))
    assert sum(app.clock.slept) == 0, "groups are not users"


def test_the_listing_answers_many_lookups(scim: ScimTenant, tmp_path: Path) -> None:
    """One request for a hundred people, where the provider has few."""
    app = Provisioning(scim, tmp_path)
    app.tenant.request("POST", "Users", {"userName": "ada", "externalId": "ada"})
    found = app.find("ada", *(f"p{number}" for number in range(100)))
    assert [held.key for held in found] == ["ada"]
    assert len(app.tenant.requests()) < 8


def test_people_who_were_looked_up_are_created_with_one_request_each(app: Provisioning) -> None:
    async def in_one_run(target: Any) -> None:
        from usersyncd.plugin import Lookup

        people = [person(f"p{number}") for number in range(20)]
        lookups = [Lookup("acme", str(one["id"]), str(one["id"])) for one in people]
        assert [one async for one in target.find(Kind.USER, lookups)] == []
        outcomes = [one async for one in target.deliver([create(one) for one in people])]
        assert all(outcome.target_id for outcome in outcomes)

    app.run(in_one_run)
    assert len(app.tenant.requests()) < 26
