"""The fake, tested with Google's own libraries: google-api-python-client from end to end, and google-auth."""

from __future__ import annotations

import json
from typing import Any

import httplib2
import pytest
from google.oauth2 import service_account
from google_auth_httplib2 import AuthorizedHttp, Request
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from tests.connectors.google.directory import Directory
from tests.fakes.google.fields import FieldError, parse, pick
from tests.fakes.google.judge import faults
from tests.fakes.google.signing import SCOPES


def services(directory: Directory, scopes: tuple[str, ...] = SCOPES) -> tuple[Any, Any]:
    info = json.loads(directory.google.accounts.key_file(directory.google.token_url))
    subject = directory.options["subject"]
    credentials = service_account.Credentials.from_service_account_info(info, scopes=scopes, subject=subject)
    credentials.refresh(Request(httplib2.Http()))
    options = {"api_endpoint": f"{directory.google.url}/"}
    return tuple(
        build("admin", version, http=AuthorizedHttp(credentials), client_options=options)
        for version in ("directory_v1", "reports_v1")
    )


def every(listing: Any, request: Any, collection: str) -> list[Any]:
    found = []
    while request is not None:
        reply = request.execute()
        found += reply.get(collection, [])
        request = listing.list_next(request, reply)
    return found


def test_googles_own_client_reads_the_whole_customer(directory: Directory) -> None:
    directory.google.knobs.page_size = 7
    service, reports = services(directory)
    tenant = directory.tenant
    users = every(service.users(), service.users().list(customer="my_customer", projection="full"), "users")
    assert {user["id"]: user["primaryEmail"] for user in users} == {
        key: user["primaryEmail"] for key, user in tenant.users.items()
    }
    groups = every(service.groups(), service.groups().list(customer=tenant.customer), "groups")
    assert [group["id"] for group in groups] == sorted(tenant.groups)
    for group in groups:
        members = every(service.members(), service.members().list(groupKey=group["email"]), "members")
        assert {member["id"] for member in members} == set(tenant.members[group["id"]])
        assert int(group["directMembersCount"]) == len(members)
    tenant.leave(users[3]["id"])
    deleted = every(service.users(), service.users().list(customer="my_customer", showDeleted="true"), "users")
    assert [user["id"] for user in deleted] == [users[3]["id"]]
    log = every(reports.activities(), reports.activities().list(userKey="all", applicationName="admin"), "items")
    assert [activity["events"][0]["name"] for activity in log] == ["DELETE_USER"]
    unit = service.orgunits().get(customerId="my_customer", orgUnitPath="Staff/Engineering").execute()
    assert unit["parentOrgUnitPath"] == "/Staff"


def test_an_empty_collection_is_absent(directory: Directory) -> None:
    service, reports = services(directory)
    group = directory.tenant.found("Empty")
    assert "members" not in service.members().list(groupKey=group).execute()
    assert "items" not in reports.activities().list(userKey="all", applicationName="groups_enterprise").execute()


@pytest.mark.parametrize(
    ("ask", "status", "reason"),
    [
        (lambda service: service.users().list(), 400, "badRequest"),
        (lambda service: service.users().list(customer="my_customer", maxResults=501), 400, "invalidParameter"),
        (
            lambda service: service.users().list(customer="my_customer", fields="users(nonsense)"),
            400,
            "invalidParameter",
        ),
        (lambda service: service.users().list(domain="nowhere.example"), 404, "domainNotFound"),
        (lambda service: service.users().get(userKey="nobody@acme.example"), 404, "notFound"),
        (lambda service: service.members().list(groupKey="nothing"), 404, "notFound"),
    ],
)
def test_the_fake_refuses_what_google_refuses(directory: Directory, ask: Any, status: int, reason: str) -> None:
    with pytest.raises(HttpError) as raised:
        ask(services(directory)[0]).execute()
    assert (raised.value.status_code, raised.value.error_details[0]["reason"]) == (status, reason)
    directory.google.unfaithful.clear()  # The fake notes a request for an unknown field.


def test_a_scope_is_needed_for_each_method(directory: Directory) -> None:
    service, reports = services(directory, SCOPES[:1])
    service.users().list(customer="my_customer").execute()
    for request in (
        service.groups().list(customer="my_customer"),
        reports.activities().list(userKey="all", applicationName="admin"),
    ):
        with pytest.raises(HttpError) as raised:
            request.execute()
        assert raised.value.status_code == 403


def test_the_quota_is_one_of_a_minute(directory: Directory) -> None:
    directory.google.knobs.per_minute = 3
    service, _ = services(directory)
    for _ in range(3):
        service.users().get(userKey=directory.options["subject"]).execute()
    with pytest.raises(HttpError) as raised:
        service.users().get(userKey=directory.options["subject"]).execute()
    assert raised.value.error_details[0]["domain"] == "usageLimits"


def test_partial_responses() -> None:
    whole = {"a": {"b": 1, "c": 2}, "d": [{"e": 1, "f": 2}], "g": 3}
    assert pick(whole, parse("a/b,d(f),g")) == {"a": {"b": 1}, "d": [{"f": 2}], "g": 3}
    assert pick(whole, parse("d/e,d/f")) == {"d": [{"e": 1, "f": 2}]}
    for wrong in ("", "a(", "a)", "a,,b", "(a)"):
        with pytest.raises(FieldError):
            parse(wrong)


@pytest.mark.parametrize(
    ("schema", "reply"),
    [
        ("Users", {"users": [{"id": 1}]}),
        ("Users", {"users": [{"nonsense": "x"}]}),
        ("Users", {"users": [{"organizations": [{"nonsense": "x"}]}]}),
        ("Users", {"users": [{"phones": {"type": "work"}}]}),
        ("Groups", {"groups": [{"directMembersCount": 3}]}),
        ("Groups", {"groups": [{"directMembersCount": "three"}]}),
        ("Members", {"members": {}}),
    ],
)
def test_the_judge_detects_replies_that_google_would_not_send(schema: str, reply: Any) -> None:
    assert faults("directory_v1", schema, reply)
