"""Pulls from a fake Google: records, scope, and memberships."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.connectors.google.directory import Directory
from tests.fakes.google import Tenant, company, listings
from usersyncd.errors import SourceError
from usersyncd.plugin import Kind

Start = Callable[..., Directory]


async def test_a_complete_pull_is_the_customer(directory: Directory) -> None:
    await directory.sync()
    directory.assert_equal()


@pytest.mark.parametrize("size", [1, 7, 30])
async def test_listings_of_many_pages_are_read_to_their_end(directory: Directory, size: int) -> None:
    directory.google.knobs.page_size = size
    await directory.sync()
    directory.assert_equal()
    assert directory.google.calls["users.list"] == 2 * -(-30 // size)


async def test_pages_are_as_large_as_google_allows(directory: Directory) -> None:
    await directory.sync()
    asked = {method: query.get("maxResults") for method, query in directory.google.queries if "maxResults" in query}
    assert asked == {"users.list": "500", "groups.list": "200", "members.list": "200"}


async def test_only_the_attributes_that_rules_read_are_requested(directory: Directory) -> None:
    reads = {Kind.USER: frozenset({"primaryEmail", "active"}), Kind.GROUP: frozenset({"name"})}
    listing = await directory.listing(reads)
    user = next(attributes for (kind, _), attributes in listing.records.items() if kind is Kind.USER)
    assert user.keys() == {"primaryEmail", "active"}
    asked = {method: query["fields"] for method, query in reversed(directory.google.queries)}
    assert asked["users.list"] == "kind,nextPageToken,users(archived,id,primaryEmail,suspended)"
    assert asked["groups.list"] == "kind,nextPageToken,groups(directMembersCount,email,etag,id,name)"
    assert asked["members.list"] == "kind,nextPageToken,members(email,id,type)"


async def test_an_attribute_that_google_does_not_have_is_not_requested(directory: Directory) -> None:
    await directory.listing({Kind.USER: frozenset({"primaryEmail", "favouriteColour", "division"})})
    (entry,) = [entry for entry in directory.log.entries if entry["log_level"] == "warning"]
    assert entry["attributes"] == ["favouriteColour"]


async def test_custom_schemas_are_read(directory: Directory) -> None:
    user = next(iter(directory.tenant.users))
    directory.tenant.change(user, customSchemas={"Badge": {"colour": "blue"}})
    for reads in (None, {Kind.USER: frozenset({"customSchemas"})}):
        listing = await directory.listing(reads)
        assert listing.records[Kind.USER, user]["customSchemas"] == {"Badge": {"colour": "blue"}}


async def test_a_customer_without_groups(start: Start) -> None:
    directory = start(company(people=3, groups=0, memberships=0))
    await directory.sync()
    directory.assert_equal()


async def test_managers_are_found_by_any_of_their_addresses(directory: Directory) -> None:
    boss, report = list(directory.tenant.users)[1:3]
    directory.tenant.change(boss, aliases=["chief@acme.example"])
    directory.tenant.change(report, relations=[{"type": "manager", "value": "Chief@acme.example"}])
    listing = await directory.listing({Kind.USER: frozenset({"manager"})})
    manager = listing.records[Kind.USER, report]["manager"]
    assert isinstance(manager, str)
    assert listing.handles[manager] == (Kind.USER, boss)


# ---------------------------------------------------------------------------------------------------------------- scope


def two_domains() -> Tenant:
    tenant = company(domains=("acme.example", "looms.example"))
    worker = tenant.hire("Wanda Weaver", domain="looms.example")
    tenant.join(tenant.found("Weavers", domain="looms.example"), worker)
    return tenant


async def test_a_customer_has_all_of_its_domains(start: Start) -> None:
    directory = start(two_domains())
    await directory.sync()
    directory.assert_equal()


async def test_a_customer_by_its_id(start: Start) -> None:
    directory = start(customer="C03az79cb", org_units=["/"])
    await directory.sync()
    await directory.sync()
    directory.assert_equal()


@pytest.mark.parametrize("complete", [True, False])
async def test_a_user_who_moves_between_units_during_the_pull_stays(
    start: Start, monkeypatch: pytest.MonkeyPatch, complete: bool
) -> None:
    """From a unit that is not read yet to one that already was."""
    directory = start(org_units=["/Staff", "/Contractors"])
    await directory.sync()
    assert directory.held is not None
    before = set(directory.held.records)
    tenant = directory.tenant
    someone = next(key for key, user in tenant.users.items() if user["orgUnitPath"] == "/Contractors")
    listed, asked = listings._users, list[str]()

    def moving(tenant: Tenant, held: Any, query: Mapping[str, str]) -> Iterator[str]:
        asked.append(query.get("query", ""))
        if "Contractors" in asked[-1] and len(asked) < 3:
            tenant.change(someone, orgUnitPath="/Staff")
        return listed(tenant, held, query)

    monkeypatch.setattr(listings, "_users", moving)
    tenant.change(someone, suspended=True)
    await directory.sync(complete=complete)
    assert set(directory.held.records) == before
    assert tenant.users[someone]["orgUnitPath"] == "/Staff"


async def test_only_the_configured_domains_are_read(start: Start) -> None:
    directory = start(two_domains(), domains=["looms.example"])
    listing = await directory.listing()
    assert sorted(str(held.get("primaryEmail") or held["email"]) for held in listing.records.values()) == [
        "wanda.weaver@looms.example",
        "weavers@looms.example",
    ]
    directory.options["domains"] = ["looms.example", "acme.example"]
    await directory.sync()
    directory.assert_equal()


async def test_a_domain_that_is_not_the_customers_is_an_error(start: Start) -> None:
    with pytest.raises(SourceError, match=r"of nowhere\.example: .*Domain not found.*\n.*option domains"):
        await start(domains=["nowhere.example"]).pull()


async def test_only_users_of_an_org_unit_and_those_below_it(start: Start) -> None:
    directory = start(org_units=["/Staff"])
    listing = await directory.listing()
    tenant = directory.tenant
    staff = {key for key, user in tenant.users.items() if user["orgUnitPath"].startswith("/Staff")}
    assert {key for kind, key in listing.records if kind is Kind.USER} == staff
    assert {key for kind, key in listing.records if kind is Kind.GROUP} == set(tenant.groups)
    assert {member for _, member in listing.edges} >= {
        member for members in tenant.members.values() for member in members
    }, "a user out of scope stays a member: the edge resolves when the user comes into scope"


async def test_several_org_units_with_special_characters(start: Start) -> None:
    tenant = company()
    odd = r"/Engineers' \ Corner"
    tenant.units.add(odd)
    user = tenant.hire("Odd One", orgUnitPath=odd)
    directory = start(tenant, org_units=[odd, "/Contractors"])
    listing = await directory.listing()
    assert (Kind.USER, user) in listing.records
    assert len([1 for kind, _ in listing.records if kind is Kind.USER]) == 1 + sum(
        each["orgUnitPath"] == "/Contractors" for each in tenant.users.values()
    )


async def test_a_renamed_org_unit_is_an_error_and_deletes_nobody(start: Start) -> None:
    directory = start(org_units=["/Staff"])
    directory.tenant.units.remove("/Staff")
    directory.tenant.units.add("/People")
    with pytest.raises(SourceError, match=r"there is no org unit /Staff.*\n.*option org_units"):
        await directory.pull()


# -------------------------------------------------------------------------------------------------------------- members


async def test_nested_groups_are_edges(directory: Directory) -> None:
    outer, inner = list(directory.tenant.groups)[:2]
    assert (outer, inner) in (await directory.listing()).edges


async def test_the_member_for_all_users_is_expanded(directory: Directory) -> None:
    group = directory.tenant.found("All Staff")
    directory.tenant.join(group, directory.tenant.customer)
    directory.google.knobs.page_size = 7
    await directory.sync()
    directory.assert_equal()
    assert directory.held is not None
    assert {member for of, member in directory.held.edges if of == group} == set(directory.tenant.users)


async def test_external_members_are_counted_and_kept(directory: Directory) -> None:
    group = next(iter(directory.tenant.groups))
    for member in ("Pat@Partner.example", "sam@partner.example", "kim@mail.example"):
        directory.tenant.join(group, member)
    await directory.sync()
    directory.assert_equal()
    (entry,) = [entry for entry in directory.log.entries if entry["event"] == "groups have external members"]
    assert (entry["count"], entry["domains"]) == (3, {"partner.example": 2, "mail.example": 1})


async def test_a_group_that_is_deleted_during_the_pull_is_left_out(directory: Directory) -> None:
    group = directory.tenant.found("Fleeting")
    real = directory.tenant.listed_members

    def vanish(asked: str) -> Any:
        if asked == group and group in directory.tenant.groups:
            directory.tenant.dissolve(group)
            return None
        return real(asked)

    directory.tenant.listed_members = vanish  # type: ignore[method-assign, assignment]
    await directory.sync()
    directory.assert_equal()
    assert directory.done is not None
    assert group not in str(directory.done.cursor)


async def test_a_new_group_that_some_servers_lack_is_requested_again(directory: Directory) -> None:
    directory.tenant.replica_lag = 1
    directory.tenant.found("Brand New")
    await directory.sync()
    directory.assert_equal()


async def test_a_new_group_that_all_servers_lack_discards_the_pull(directory: Directory) -> None:
    directory.tenant.replica_lag = 5
    directory.tenant.found("Brand New")
    with pytest.raises(SourceError, match=r"brand-new@acme\.example exists, but its members are not found"):
        await directory.sync()


async def test_a_count_that_is_always_wrong_is_not_a_fault(directory: Directory) -> None:
    group = next(iter(directory.tenant.groups))
    directory.tenant.miscounted[group] = 99
    await directory.sync()
    directory.assert_equal()


async def test_check_describes_the_customer(start: Start) -> None:
    directory = start(two_domains())
    assert list(await directory.source().check()) == [
        "Google customer C03az79cb, read as grace.admin@acme.example",
        "users: 31 (acme.example 30, looms.example 1)",
        "groups: 5 (acme.example 4, looms.example 1)",
        "members are read of changed groups only, by their rows and the logs admin and groups_enterprise",
        "at most 2,400 requests a minute",
    ]


async def test_a_lone_surrogate_does_not_fail_the_listing(directory: Directory) -> None:
    """A program that cuts text at a UTF-16 unit may leave half of a character; the run replaces it."""
    user, group = next(iter(directory.tenant.users)), next(iter(directory.tenant.groups))
    directory.tenant.change(user, customSchemas={"Badge": {"colour": "\ud83d"}})
    directory.tenant.groups[group]["name"] = "Staff \ud83d"
    listing = await directory.listing()
    assert listing.records[Kind.USER, user]["customSchemas"] == {"Badge": {"colour": "\ud83d"}}
    assert listing.records[Kind.GROUP, group]["name"] == "Staff \ud83d"
