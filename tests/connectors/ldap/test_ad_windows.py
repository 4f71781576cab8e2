"""Behaviour of Windows that Samba lacks, by a facade: ranges unasked, a limit of rows, DirSync in parts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

import ldap

from tests.connectors.ldap.domain import Domain
from tests.connectors.ldap.windows import Windows


@pytest.fixture
def windows(domain: Domain) -> Iterator[Windows]:
    facade = Windows(domain.server.address, values=30, rows=20)
    domain.options |= {"url": facade.url, "tls": {}, "page_size": 15}
    yield facade
    facade.close()


def crowd(domain: Domain, count: int) -> list[str]:
    return [domain.server.add_user(f"u{number:03}") for number in range(count)]


async def test_a_large_group_comes_in_ranges_and_is_whole(domain: Domain, windows: Windows) -> None:
    people = crowd(domain, 100)
    domain.server.add_group("all", people)
    domain.server.add_group("exactly", people[:30])
    domain.server.add_group("twice", people[:60])
    mirror = await domain.follow()
    assert len(mirror.members_of("all")) == 100
    assert len(mirror.members_of("exactly")) == 30
    assert len(mirror.members_of("twice")) == 60
    assert windows.pieces == 3 + 1


@pytest.mark.parametrize("strategy", ["dirsync", "usn"])
async def test_changes_of_a_large_group_are_followed(domain: Domain, windows: Windows, strategy: str) -> None:
    people = crowd(domain, 70)
    group = domain.server.add_group("all", people[:65])
    await domain.follow(strategy=strategy)
    domain.server.link(group, *people[65:])
    domain.server.unlink(group, people[3], people[40])
    mirror = await domain.agrees(strategy=strategy)
    assert len(mirror.members_of("all")) == 68
    domain.server.rename(group, "CN=everybody")  # then it is read whole
    assert len((await domain.agrees(strategy=strategy)).members_of("everybody")) == 68
    assert windows.pieces


async def test_more_people_than_one_search_may_return(domain: Domain, windows: Windows) -> None:
    crowd(domain, 50)
    mirror = await domain.follow()
    assert mirror.has_user("u049")
    connection = ldap.initialize(windows.url)
    connection.set_option(ldap.OPT_REFERRALS, ldap.OPT_OFF)
    connection.simple_bind_s(domain.server.admin_dn, domain.server.admin_password)
    with pytest.raises(ldap.SIZELIMIT_EXCEEDED):  # so the facade does what it should
        connection.search_s(domain.server.base, ldap.SCOPE_SUBTREE, "(objectClass=user)", ["cn"])
    connection.unbind_s()
    assert windows.cut == 1


async def test_dirsync_continues_over_empty_answers_while_there_is_more(domain: Domain, windows: Windows) -> None:
    people = crowd(domain, 12)
    await domain.follow()
    begun = windows.empty
    assert begun  # the first cookie comes in parts as well
    for dn in people[:7]:
        domain.server.modify(dn, {"title": "Countess"})
    domain.server.delete(people[11])
    mirror = await domain.agrees()
    assert [mirror.user(f"u{number:03}")["title"] for number in range(7)] == ["Countess"] * 7
    assert not mirror.has_user("u011")
    assert windows.empty > begun


async def test_many_changes_at_once(domain: Domain, windows: Windows) -> None:
    """More changes than the connector reads by id in one search."""
    people = crowd(domain, 130)
    await domain.follow()
    for dn in people:
        domain.server.modify(dn, {"title": "Countess"})
    mirror = await domain.agrees()
    assert {each.get("title") for each in mirror.records.values() if str(each.get("userName")).startswith("u")} == {
        "Countess"
    }
