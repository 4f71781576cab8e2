"""A service provider as a directory: everything is read, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.servers.scim_server import TOKEN, ScimTenant
from usersyncd.errors import ConfigError, SourceError
from usersyncd.plugin import Done, Kind
from usersyncd.testing import HurriedClock, source_context
from usersyncd.testing.pulls import Pull, fold
from usersyncd_scim import ScimSource
from usersyncd_scim.options_source import ScimSourceOptions

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PAGES = {"index": "page_size: 3", "cursor": "paging: cursor\npage_size: 3", "none": "paging: none"}


class Directory:
    """A tenant with people, and the source that reads it. ``profile``: a YAML text."""

    def __init__(self, tenant: ScimTenant, folder: Path, profile: str = PAGES["index"], people: int = 7) -> None:
        self.tenant = tenant
        self._folder = folder
        (folder / "token").write_text(TOKEN)
        (folder / "shop.yaml").write_text(profile)
        self.ids = [self.add(f"p{number}") for number in range(people)]
        members = [{"value": each} for each in self.ids[:2]]
        self.group = tenant.request("POST", "Groups", {"displayName": "All", "members": members})["id"]
        tenant.request("POST", "Groups", {"displayName": "Nobody"})

    def add(self, name: str, **more: Any) -> str:
        return str(self.tenant.request("POST", "Users", {"userName": name, **more})["id"])

    def source(self, **options: Any) -> ScimSource:
        own = {"url": self.tenant.url, "token": {"file": "token"}, "profile": "shop.yaml", **options}
        return ScimSource(ScimSourceOptions.model_validate(own), source_context(self._folder, clock=HurriedClock()))

    def pull(self, meanwhile: Callable[[], object] = lambda: None, **options: Any) -> Pull:
        """Everything that a pull yields. ``meanwhile``: happens after the first page."""

        async def run() -> Pull:
            pull = Pull()
            async for item in self.source(**options).pull(None):
                if isinstance(item, Done):
                    pull.ends.append(item)
                    continue
                pull.pages.append(item)
                if len(pull.pages) == 1:
                    meanwhile()
            return pull

        return asyncio.run(run())


@pytest.fixture
def directory(scim: ScimTenant, tmp_path: Path) -> Directory:
    return Directory(scim, tmp_path)


@pytest.mark.parametrize("paging", [*PAGES])
def test_everybody_is_read_by_every_kind_of_listing(scim: ScimTenant, tmp_path: Path, paging: str) -> None:
    if paging == "cursor" and not scim.has_cursors():
        pytest.skip("SCIMMY has no cursors")
    directory = Directory(scim, tmp_path, PAGES[paging])
    pull = directory.pull()
    held = fold(pull.items)
    assert {id_ for kind, id_ in held.records if kind is Kind.USER} == set(directory.ids)
    assert held.edges == {(directory.group, each) for each in directory.ids[:2]}
    assert [(end.cursor, end.complete) for end in pull.ends] == [(None, True)]


def test_records_have_the_attributes_of_the_resource(directory: Directory) -> None:
    work = {"department": "Ships", "manager": {"value": directory.ids[0]}}
    id_ = directory.add("ada", emails=[{"value": "ada@acme.example", "type": "work"}], **{ENTERPRISE: work})
    [record] = [one for one in directory.pull().records if one.id == id_]
    assert record.attributes["userName"] == "ada"
    assert record.attributes[ENTERPRISE]["department"] == "Ships"  # type: ignore[index, call-overload]
    assert not {"id", "groups", "password", "members"} & record.attributes.keys()


@pytest.mark.parametrize("total", [0, 6, 8, 100, None])
def test_a_wrong_total_voids_the_pull(directory: Directory, total: int | None) -> None:
    directory.tenant.fault(method="GET", path="^/Users", total=total, times=99)
    with pytest.raises(SourceError, match=r"the listing of Users of .* is not complete: it .*totalResults"):
        directory.pull()


def test_a_total_that_changes_while_it_is_read_voids_the_pull(directory: Directory) -> None:
    with pytest.raises(SourceError, match="totalResults changed from 7 to 8 while it was read"):
        directory.pull(meanwhile=lambda: directory.add("late"))


def test_a_leaver_and_a_newcomer_while_it_is_read_hide_nobody(directory: Directory) -> None:
    """The total stays the same. Who moved to a page that was read before would count as a leaver."""
    first = directory.tenant.request("GET", "Users?count=1")["Resources"][0]["id"]

    def exchange() -> None:
        directory.tenant.request("DELETE", f"Users/{first}")
        directory.add("late")

    found = None
    with suppress(SourceError):
        found = {record.id for record in directory.pull(meanwhile=exchange).records}
    assert found is None or set(directory.ids) - {first} <= found


def test_a_page_that_moved_voids_the_pull(directory: Directory) -> None:
    """Somebody of the first page left, and somebody came at the end."""
    listed = directory.tenant.request("GET", "Users?count=100")["Resources"]
    moved = {"totalResults": 7, "startIndex": 3, "Resources": listed[3:6]}
    directory.tenant.fault(method="GET", path="^/Users.*startIndex=3", status=200, body=moved, times=99)
    with pytest.raises(SourceError, match="the order of its pages changed while they were read"):
        directory.pull()


@pytest.mark.parametrize("paging", [*PAGES])
def test_a_person_who_is_listed_twice_voids_the_pull(scim: ScimTenant, tmp_path: Path, paging: str) -> None:
    directory = Directory(scim, tmp_path, PAGES[paging])
    directory.tenant.fault(method="GET", path="^/Users", doubles=True, times=99)
    with pytest.raises(SourceError, match=r"it has \S+ twice"):
        directory.pull()


def test_a_provider_that_ignores_pages_voids_the_pull(directory: Directory) -> None:
    """It returns the first page again and again."""
    first = directory.tenant.request("GET", "Users?count=3")
    directory.tenant.fault(method="GET", path="^/Users", status=200, body=first, times=99)
    with pytest.raises(SourceError, match="it begins at 1 where 3 was asked for"):
        directory.pull()


def test_a_page_that_is_short_voids_the_pull(directory: Directory) -> None:
    short = {"totalResults": 7, "startIndex": 3, "Resources": []}
    directory.tenant.fault(method="GET", path="startIndex=3", status=200, body=short, times=99)
    with pytest.raises(SourceError, match="is not complete"):
        directory.pull()


@pytest.mark.parametrize("kind", ["Users", "Groups"])
def test_an_error_in_the_middle_voids_the_pull(directory: Directory, kind: str) -> None:
    for number in range(5):
        directory.tenant.request("POST", "Groups", {"displayName": f"g{number}"})
    directory.tenant.fault(method="GET", path=f"^/{kind}.*startIndex=3", status=500, times=9_999)
    with pytest.raises(SourceError, match="500"):
        directory.pull()


def test_a_temporary_error_in_the_middle_does_not(directory: Directory) -> None:
    directory.tenant.fault(method="GET", path="startIndex=3", status=503, times=2)
    assert len([one for one in directory.pull().records if one.kind is Kind.USER]) == 7


def test_members_that_listings_leave_out_are_read_from_each_group(directory: Directory) -> None:
    directory.tenant.fault(method="GET", path=r"^/Groups\?", each={"members": None}, times=99)
    assert fold(directory.pull().items).edges == {(directory.group, each) for each in directory.ids[:2]}


@pytest.mark.parametrize("members", [[{"display": "Ada"}], [{"value": ""}], ["Ada"], {"value": "1"}])
def test_members_that_cannot_be_read_void_the_pull(directory: Directory, members: object) -> None:
    directory.tenant.fault(method="GET", path=r"^/Groups\?", each={"members": members}, times=99)
    with pytest.raises(SourceError, match=r"the members of group .* cannot be read") as raised:
        directory.pull()
    assert "give the token the right to read" in str(raised.value.remedy)


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        ("snowflake", "the profile snowflake says that a listing of this provider is not complete"),
        ("aws-identity-center", "is not complete"),
        ("shop.yaml", "the profile shop.yaml says that this provider returns groups without members"),
    ],
)
def test_a_profile_that_does_not_list_all_is_refused(
    scim: ScimTenant, tmp_path: Path, profile: str, reason: str
) -> None:
    directory = Directory(scim, tmp_path, "members_readable: false")
    for act in (directory.pull, lambda **options: asyncio.run(directory.source(**options).check())):
        with pytest.raises(SourceError, match=reason):
            act(profile=profile)
    assert directory.tenant.requests() == []


def test_check_says_how_listings_are_read(directory: Directory) -> None:
    assert asyncio.run(directory.source().check()) == [
        f"{directory.tenant.url}, profile shop.yaml",
        "users and groups are listed by startIndex",
    ]


def test_a_token_that_is_refused_is_said_and_not_shown(directory: Directory) -> None:
    directory.tenant.fault(status=401, body={"detail": f"unknown {TOKEN}"}, times=9)
    with pytest.raises(SourceError, match="does not accept the token") as raised:
        directory.pull()
    assert TOKEN not in f"{raised.value} {raised.value!r}"


def test_a_profile_that_cannot_be_read_is_said(directory: Directory) -> None:
    with pytest.raises(ConfigError, match=r"other\.yaml cannot be read"):
        directory.pull(profile="other.yaml")


TOKENS = {"tokens": [{"name": "first", "secret": {"env": "TOKEN"}}]}
PULLED = {"url": "https://api.example/scim/v2", "token": {"env": "TOKEN"}}


def test_a_directory_is_pushed_or_pulled() -> None:
    pushed, pulled = (ScimSourceOptions.model_validate(one) for one in (TOKENS, PULLED))
    assert ScimSource.receiving(pushed) is not None
    assert ScimSource.receiving(pulled) is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "write `tokens` for a directory that pushes, or `url` and `token` for a service provider that is pulled"),
        ({"url": "https://api.example/scim/v2"}, "or `url` and `token`"),
        ({"token": {"env": "TOKEN"}}, "or `url` and `token`"),
        ({"quota": {"body": 5000}}, "write `tokens`"),
        (TOKENS | PULLED, r"either the directory pushes \(tokens\) or it is pulled \(token, url\)"),
        (TOKENS | {"profile": "slack"}, r"either the directory pushes \(tokens\) or it is pulled \(profile\)"),
        (PULLED | {"quota": {"body": 5000}}, r"either the directory pushes \(quota\)"),
        (PULLED | {"url": "http://api.example/scim"}, "everybody on the way could read the token"),
        (PULLED | {"profile": "slak"}, "no built-in profile has this name"),
    ],
)
def test_one_of_the_two_forms_is_written(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ScimSourceOptions.model_validate(options)
