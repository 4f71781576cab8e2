"""A service provider that fails: nobody is created twice, taken over or left out without a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.connectors.scim.provisioning import Provisioning, create, members, person, update
from tests.servers.scim_server import TOKEN, ScimTenant
from usersyncd.errors import TargetError
from usersyncd.plugin import Held, Kind, Op

ADA, BOB, EVE = person("ada"), person("bob"), person("eve")


@pytest.mark.parametrize("headers", [{"Retry-After": "7"}, {}], ids=["with Retry-After", "without"])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_throttled_write_is_sent_again_after_the_wait(
    app: Provisioning, method: str, headers: dict[str, str]
) -> None:
    [made] = app.deliver(create(BOB))
    app.tenant.fault(method=method, status=429, headers=headers, times=2)
    outcomes = app.deliver(create(ADA), update(made.target_id or "", BOB, BOB | {"title": "Porter"}))
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert app.users()["bob"]["title"] == "Porter"
    assert app.logins() == ["ada", "bob"]
    assert max(app.clock.slept) >= (7 if headers else 1)


@pytest.mark.parametrize("fault", [{"status": 500, "after": True}, {"cut": True}], ids=["500", "connection cut"])
def test_a_create_that_took_place_although_the_answer_failed_is_delivered_once(
    app: Provisioning, fault: dict[str, object]
) -> None:
    app.tenant.fault(method="POST", sent="ada", **fault)
    outcomes = app.deliver(create(ADA), create(BOB))
    users = app.users()
    assert [outcome.target_id for outcome in outcomes] == [users["ada"]["id"], users["bob"]["id"]]
    assert len([one for one in app.tenant.requests() if one[0] == "POST"]) == 2, "no create is sent twice"


def test_a_create_that_got_lost_is_not_sent_again_in_this_run(app: Provisioning) -> None:
    """It may still arrive: the next run looks it up."""
    app.tenant.fault(method="POST", lost=True)
    [outcome] = app.deliver(create(ADA))
    assert "broke the connection" in str(outcome.error)
    assert len([one for one in app.tenant.requests() if one[0] == "POST"]) == 1
    assert app.logins() == []


def test_creates_that_are_never_answered_stop_nobody_else(app: Provisioning) -> None:
    """Their answers fail late, one after the other: it counts that others were answered meanwhile."""
    app.tenant.fault(method="POST", sent='"slow', lost=True, seconds=1, times=99)
    slow = [create(person(f"slow{number}")) for number in range(7)]
    outcomes = app.deliver(*slow[:5], create(BOB), create(EVE), *slow[5:], create(ADA))
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    assert len(failed) == 7
    assert all("broke the connection" in str(outcome.error) for outcome in failed)
    assert app.logins() == ["ada", "bob", "eve"]


def test_a_server_that_answers_no_create_ends_the_delivery(app: Provisioning) -> None:
    app.tenant.fault(method="POST", lost=True, times=999)
    with pytest.raises(TargetError, match=r"\d changes in a row failed, the last one so: .*broke the connection"):
        app.deliver(*(create(person(f"p{number}")) for number in range(30)))
    assert len([one for one in app.tenant.requests() if one[0] == "POST"]) < 20


def test_a_server_that_stops_answering_during_a_create_ends_the_delivery(app: Provisioning) -> None:
    """The look-up after the lost answer is not answered either: nothing is known of the create."""
    app.tenant.fault(method="POST", lost=True, times=999)
    app.tenant.fault(method="GET", path="userName", lost=True, times=999)
    with pytest.raises(TargetError, match="broke the connection"):
        app.deliver(create(ADA))


def test_a_lost_create_does_not_become_somebody_elses_account(app: Provisioning) -> None:
    """Somebody created another account with this name meanwhile: it is not what was sent."""
    other = {"userName": "ada", "displayName": "Another Ada", "emails": [{"value": "other@x.example", "type": "work"}]}
    app.tenant.fault(method="POST", lost=True)
    app.tenant.request("POST", "Users", other)
    [outcome] = app.deliver(create(ADA))
    assert (outcome.target_id, bool(outcome.error)) == (None, True)


def test_a_server_error_for_one_person_stops_nobody(app: Provisioning) -> None:
    app.tenant.fault(method="POST", sent="ada", status=500, body={"detail": "null pointer"}, times=99)
    outcomes = app.deliver(create(ADA), create(BOB), create(EVE))
    assert [outcome.error for outcome in outcomes] == ["500: null pointer", None, None]
    assert app.logins() == ["bob", "eve"]


def test_a_change_at_which_the_server_always_fails_stops_nobody(app: Provisioning) -> None:
    made = app.deliver(create(ADA), create(BOB))
    ids = [outcome.target_id or "" for outcome in made]
    app.tenant.fault(method="PATCH", path=ids[0], status=503, times=999)
    outcomes = app.deliver(*(update(id_, one, one | {"title": "x"}) for id_, one in zip(ids, (ADA, BOB), strict=True)))
    assert "503" in str(outcomes[0].error)
    assert outcomes[1].error is None


@pytest.mark.parametrize(("status", "remedy"), [(500, "the next run tries again"), (403, "give the token the right")])
def test_a_server_that_fails_at_everybody_ends_the_delivery(app: Provisioning, status: int, remedy: str) -> None:
    app.tenant.fault(method="POST", status=status, body={"detail": "no"}, times=999)
    with pytest.raises(TargetError, match=rf"\d changes in a row.*{status}") as raised:
        app.deliver(*(create(person(f"p{number}")) for number in range(30)))
    assert remedy in str(raised.value)
    assert len([one for one in app.tenant.requests() if one[0] == "POST"]) < 20


def test_a_token_that_is_refused_is_said_and_not_shown(app: Provisioning) -> None:
    app.tenant.fault(status=401, body={"detail": f"unknown {TOKEN}", "scimType": "x"}, times=9)
    with pytest.raises(TargetError, match="does not accept the token") as raised:
        app.deliver(create(ADA))
    assert TOKEN not in f"{raised.value} {raised.value!r}"


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_token_that_may_only_read_ends_the_delivery_at_once(app: Provisioning, method: str) -> None:
    [made] = app.deliver(create(BOB))
    app.tenant.fault(method=method, status=401, times=99)
    with pytest.raises(TargetError, match="does not accept the token"):
        app.deliver(create(ADA), update(made.target_id or "", BOB, BOB | {"title": "Porter"}))


def test_a_redirect_is_not_followed_with_the_token(app: Provisioning) -> None:
    app.tenant.fault(status=307, headers={"Location": "https://evil.example/scim"}, times=9)
    with pytest.raises(TargetError, match=r"redirects to https://evil\.example"):
        app.run(lambda target: target.identity())


def test_a_server_that_ignores_filters_finds_nobody_else(app: Provisioning) -> None:
    app.tenant.request("POST", "Users", {"userName": "zoe", "externalId": "zoe"})
    app.tenant.fault(method="GET", drop_filter=True, times=99)
    assert app.find("ada") == []
    assert [held.key for held in app.find("zoe")] == ["zoe"]
    assert [outcome.error for outcome in app.deliver(create(ADA))] == [None]


def test_an_invented_resource_of_a_listing_is_not_an_account(scim: ScimTenant, tmp_path: Path) -> None:
    app = Provisioning(scim, tmp_path, find="list")
    app.tenant.fault(method="GET", path="startIndex", invents=[{"id": "ghost", "externalId": "ada"}], times=99)
    assert app.find("ada", "bob") == []
    assert [outcome.error for outcome in app.deliver(create(ADA))] == [None]


def test_two_accounts_of_one_person_are_both_found(app: Provisioning) -> None:
    """So that a person decides between them."""
    for login in ("ada", "ada.l"):
        app.tenant.request("POST", "Users", {"userName": login, "externalId": "ada"})
    assert len({held.target_id for held in app.find("ada")}) == 2
    [outcome] = app.deliver(create(ADA | {"userName": "ada3"}))
    assert "has the key 'ada' already" in str(outcome.error)
    assert app.logins() == ["ada", "ada.l"]


@pytest.mark.parametrize("total", [0, 1, 3, 100, None])
@pytest.mark.parametrize("doubles", [False, True])
def test_totals_of_listings_may_be_wrong(scim: ScimTenant, tmp_path: Path, total: int | None, doubles: bool) -> None:
    app = Provisioning(scim, tmp_path, page_size=2)
    for number in range(7):
        app.tenant.request("POST", "Users", {"userName": f"p{number}", "externalId": f"p{number}"})
    app.tenant.fault(method="GET", path="startIndex", total=total, doubles=doubles, times=99)

    async def listed(target: object) -> list[Held]:
        return [held async for held in target.list(Kind.USER)]  # type: ignore[attr-defined]

    found = app.run(listed)
    assert sorted(str(held.key) for held in found) == [f"p{number}" for number in range(7)]


def test_an_existing_account_is_named_and_left_as_it_is(app: Provisioning) -> None:
    app.tenant.request("POST", "Users", {"userName": "ada", "displayName": "The first Ada"})
    [outcome, other] = app.deliver(create(ADA), create(BOB))
    account = app.users()["ada"]
    assert account["id"] in str(outcome.error)
    assert "uniqueness" in str(outcome.error)
    assert (account["displayName"], account.get("externalId")) == ("The first Ada", None)
    assert other.error is None


def test_a_conflict_that_is_none_is_said_with_the_servers_words(app: Provisioning) -> None:
    """Salesforce answers 409 for a missing profile."""
    app.tenant.fault(method="POST", status=409, body={"detail": "REQUIRED_FIELD_MISSING: ProfileId", "status": 409})
    [outcome] = app.deliver(create(ADA))
    assert outcome.error == "409: REQUIRED_FIELD_MISSING: ProfileId"


def test_a_member_that_does_not_exist_stops_no_other(app: Provisioning) -> None:
    made = app.deliver(*(create(person(f"p{number}")) for number in range(9)))
    ids = [outcome.target_id or "" for outcome in made]
    [group] = app.deliver(create({"id": "g1", "displayName": "All"}, Kind.GROUP))
    [outcome] = app.deliver(members(Op.ADD, group.target_id or "", [*ids[:5], "nobody", *ids[5:]]))
    assert outcome.gone == {"record nobody"}
    assert outcome.refused.keys() == {"record nobody"}
    [held] = app.tenant.resources("Groups")
    assert {member["value"] for member in held["members"]} == set(ids)


def test_one_request_has_as_many_members_as_the_profile_allows(scim: ScimTenant, tmp_path: Path) -> None:
    app = Provisioning(scim, tmp_path, members_per_request=4)
    ids = [one.target_id or "" for one in app.deliver(*(create(person(f"p{number}")) for number in range(10)))]
    [group] = app.deliver(create({"id": "g1", "displayName": "All"}, Kind.GROUP))
    app.deliver(members(Op.ADD, group.target_id or "", ids), members(Op.REMOVE, group.target_id or "", ids[:6]))
    patches = [body["Operations"] for method, _, body in app.tenant.requests() if method == "PATCH"]
    assert [len(one[0]["value"]) for one in patches[:3]] == [4, 4, 2]
    assert [len(one) for one in patches[3:]] == [4, 2]
    [held] = app.tenant.resources("Groups")
    assert {member["value"] for member in held["members"]} == set(ids[6:])


CONFLICT = "to link a record to an account that exists"


def somebody(app: Provisioning, **more: object) -> str:
    """An account that a person made by hand."""
    return str(app.tenant.request("POST", "Users", {"userName": "ada", **more})["id"])


@pytest.mark.parametrize("fault", [{"status": 500, "body": {"detail": "unique violation"}}, {"lost": True}])
def test_an_account_made_by_hand_is_not_the_result_of_an_unanswered_create(
    app: Provisioning, fault: dict[str, object]
) -> None:
    """It has all values that were sent, and no externalId."""
    account = somebody(app)
    app.tenant.fault(method="POST", **fault)
    [outcome] = app.deliver(create({"id": "1", "userName": "ada"}))
    assert outcome.target_id is None
    assert f"it has user {account} already" in str(outcome.error)
    assert CONFLICT in str(outcome.error)


@pytest.mark.parametrize("fault", [{"status": 500, "body": {"detail": "unique violation"}}, {"lost": True}])
def test_a_group_made_by_hand_is_not_the_result_of_an_unanswered_create(
    app: Provisioning, fault: dict[str, object]
) -> None:
    group = app.tenant.request("POST", "Groups", {"displayName": "Administrators"})["id"]
    app.tenant.fault(method="POST", **fault)
    [outcome] = app.deliver(create({"id": "g7", "displayName": "Administrators"}, Kind.GROUP))
    assert outcome.target_id is None
    assert f"it has group {group} already" in str(outcome.error)


def test_duplicates_that_are_answered_with_500_stop_nobody(app: Provisioning) -> None:
    names = [f"p{number}" for number in range(7)]
    for name in names:
        app.tenant.request("POST", "Users", {"userName": name})
    app.tenant.fault(method="POST", sent=r'"p\d', status=500, body={"detail": "unique violation"}, times=99)
    outcomes = app.deliver(*(create(person(name)) for name in names), create(ADA))
    assert all("already" in str(outcome.error) for outcome in outcomes[:7])
    assert outcomes[7].error is None


def test_the_key_that_nobody_had_before_shows_what_an_unanswered_create_made(scim: ScimTenant, tmp_path: Path) -> None:
    """Also if the rules send no externalId."""
    app = Provisioning(scim, tmp_path, ruled=True)
    app.tenant.fault(method="POST", status=500, after=True)
    [outcome] = app.deliver(create({"userName": "ada", "active": True}))
    assert outcome.target_id == app.users()["ada"]["id"]


@pytest.mark.parametrize("status", [200, 201])
def test_a_create_is_not_answered_with_the_account_of_another_record(app: Provisioning, status: int) -> None:
    """Some providers update the account that has the same login or address, instead of a conflict."""
    account = somebody(app, externalId="7")
    app.tenant.fault(method="POST", status=status, body=app.users()["ada"])
    [outcome] = app.deliver(create({"id": "1", "userName": "ada"}))
    assert outcome.target_id is None
    assert f"{status} with user {account}, which has the externalId '7'" in str(outcome.error)
    assert CONFLICT in str(outcome.error)


def test_a_create_is_not_answered_with_an_account_made_by_hand(app: Provisioning) -> None:
    account = somebody(app)
    app.tenant.fault(method="POST", status=200, body=app.users()["ada"])
    [outcome] = app.deliver(create({"id": "1", "userName": "ada"}))
    assert outcome.target_id is None
    assert f"200 with user {account}, which was there before" in str(outcome.error)


def test_an_old_account_that_got_our_external_id_was_there_before(app: Provisioning) -> None:
    body = {"id": "old", "userName": "ada", "externalId": "1", "meta": {"created": "2020-01-01T00:00:00Z"}}
    app.tenant.fault(method="POST", status=200, body=body, headers={"Date": "Mon, 02 Mar 2026 12:00:00 GMT"})
    app.tenant.fault(method="GET", path="/Users/old", status=200, body=body)
    [outcome] = app.deliver(create({"id": "1", "userName": "ada"}))
    assert "200 with user old, which was there before" in str(outcome.error)


def test_a_provider_may_answer_a_create_with_200(app: Provisioning) -> None:
    app.tenant.request("POST", "Users", {"userName": "made", "externalId": "made"})
    made = app.users()["made"]
    app.tenant.fault(method="GET", path="externalId", status=404)  # Not yet there when usersyncd looks.
    app.tenant.fault(method="POST", status=200, body=made)
    [outcome] = app.deliver(create({"id": "made", "userName": "made"}))
    assert (outcome.error, outcome.target_id) == (None, made["id"])


@pytest.fixture(params=["replace", "put"])
def hiding(request: pytest.FixtureRequest, scim: ScimTenant, tmp_path: Path) -> Provisioning:
    """A provider that takes a group with all its members only; its group g1 has p0 to p3."""
    app = Provisioning(scim, tmp_path, group_update=request.param)
    ids = [one.target_id or "" for one in app.deliver(*(create(person(f"p{number}")) for number in range(5)))]
    [group] = app.deliver(create({"id": "g1", "displayName": "All"}, Kind.GROUP))
    app.deliver(members(Op.ADD, group.target_id or "", ids[:4]))
    app.linked = {group.target_id or "": [(Kind.USER, id_) for id_ in ids[:4]]}
    return app


def hide(app: Provisioning, path: str = "/Groups/") -> None:
    """From now on, the provider returns the group without its members."""
    [group] = app.tenant.resources("Groups")
    shown = {name: value for name, value in group.items() if name != "members"}
    app.tenant.fault(method="GET", path=path, status=200, body=shown, times=99)


def users_of(app: Provisioning) -> list[str]:
    [group] = app.tenant.resources("Groups")
    logins = {user["id"]: user["userName"] for user in app.tenant.resources("Users")}
    return sorted(logins[member["value"]] for member in group.get("members", ()))


def test_a_group_whose_members_are_not_returned_keeps_them(hiding: Provisioning) -> None:
    [group] = hiding.tenant.resources("Groups")
    hide(hiding)
    hiding.deliver(members(Op.ADD, group["id"], [hiding.users()["p4"]["id"]]))
    assert users_of(hiding) == ["p0", "p1", "p2", "p3", "p4"]


def test_a_member_leaves_a_group_whose_members_are_not_returned(hiding: Provisioning) -> None:
    [group] = hiding.tenant.resources("Groups")
    hide(hiding)
    ids = {name: user["id"] for name, user in hiding.users().items()}
    hiding.deliver(members(Op.ADD, group["id"], [ids["p4"]]), members(Op.REMOVE, group["id"], [ids["p0"]]))
    assert users_of(hiding) == ["p1", "p2", "p3", "p4"]


def test_members_that_are_returned_only_when_they_are_asked_for_are_asked_for(hiding: Provisioning) -> None:
    """Also those that somebody else put into the group."""
    [group] = hiding.tenant.resources("Groups")
    hiding.linked = {}
    hide(hiding, r"/Groups/[^?]*$")
    hiding.deliver(members(Op.ADD, group["id"], [hiding.users()["p4"]["id"]]))
    assert users_of(hiding) == ["p0", "p1", "p2", "p3", "p4"]


@pytest.mark.parametrize("op", [Op.REMOVE, Op.ADD])
def test_a_refused_removal_names_the_key_of_its_form(app: Provisioning, op: Op) -> None:
    [ada, group] = app.deliver(create(ADA), create({"id": "g1", "displayName": "All"}, Kind.GROUP))
    said = {"detail": "a remove operation carries no value", "scimType": "invalidValue"}
    app.tenant.fault(method="PATCH", status=400, body=said, times=9)
    [outcome] = app.deliver(members(op, group.target_id or "", [ada.target_id or ""]))
    [reason] = outcome.refused.values()
    assert reason.startswith("400 invalidValue: a remove operation carries no value")
    assert ("set `member_removal`" in reason) is (op is Op.REMOVE)


@pytest.mark.parametrize("page", [[{"id": "a", "userName": "a"}], []], ids=["the same page", "empty pages"])
def test_a_listing_whose_cursors_never_end_is_given_up(
    scim: ScimTenant, tmp_path: Path, page: list[dict[str, str]]
) -> None:
    app = Provisioning(scim, tmp_path, paging="cursor")
    for number in range(15):
        body = {"schemas": [], "Resources": page, "nextCursor": f"c{number}"}
        app.tenant.fault(method="GET", path="cursor", status=200, body=body)

    async def listed(target: object) -> list[Held]:
        return [held async for held in target.list(Kind.USER)]  # type: ignore[attr-defined]

    with pytest.raises(TargetError, match="has no end"):
        app.run(listed)
    assert len(app.tenant.requests()) <= 12
