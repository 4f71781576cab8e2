"""Complete pulls of a real Active Directory (Samba)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from tests.connectors.ldap.domain import EVERYTHING, Domain
from usersyncd.plugin import Kind

EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


def ticks(moment: datetime) -> str:
    return str(int((moment - EPOCH).total_seconds()) * 10_000_000)


async def test_people_and_groups_have_their_guid_and_canonical_names(domain: Domain) -> None:
    server = domain.server
    boss = server.add_user("boss")
    dn = server.add_user(
        "ada", givenName="Ada", sn="Lovelace", mail="ada@acme.example", company="Acme", department="R&D",
        manager=boss, employeeType="employee",
    )  # fmt: skip
    server.add_group("engineers", [dn], description="Those who build")
    mirror = await domain.follow()
    ada = mirror.user("ada")
    assert {name: ada[name] for name in ("givenName", "sn", "mail", "organization", "department", "active")} == {
        "givenName": "Ada", "sn": "Lovelace", "mail": "ada@acme.example", "organization": "Acme", "department": "R&D",
        "active": True,
    }  # fmt: skip
    assert ada["manager"] == mirror.id_of(Kind.USER, "boss")
    ((_, entry),) = server.connect().search_s(dn, 0, attrlist=["objectGUID"])
    assert mirror.id_of(Kind.USER, "ada").replace("-", "")[16:] == entry["objectGUID"][0].hex()[16:]
    assert mirror.members_of("engineers") == {"ada"}
    assert "dc1$" not in {str(each.get("userName")).lower() for each in mirror.records.values()}  # a computer


async def test_the_primary_group_is_a_membership(domain: Domain) -> None:
    server = domain.server
    ada, bob = server.add_user("ada"), server.add_user("bob")
    staff = server.add_group("staff", [ada, bob])
    token = server.connect().search_s(staff, 0, attrlist=["primaryGroupToken"])[0][1]["primaryGroupToken"][0]
    server.modify(ada, {"primaryGroupID": token})
    mirror = await domain.follow()
    assert mirror.members_of("staff") == {"ada", "bob"}
    assert {"ada", "bob"} <= mirror.members_of("Domain Users")


async def test_disabled_accounts_are_inactive_and_expiring_ones_have_valid_until(domain: Domain) -> None:
    server = domain.server
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    server.add_user("off", userAccountControl="546")
    server.add_user("leaver", accountExpires=ticks(tomorrow))
    server.add_user("zero", accountExpires="0")
    server.add_user("never", accountExpires="9223372036854775807")
    mirror = await domain.follow()
    assert mirror.user("off")["active"] is False
    assert mirror.user("leaver")["validUntil"] == tomorrow.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert mirror.user("leaver")["active"] is True
    assert "validUntil" not in mirror.user("zero")
    assert "validUntil" not in mirror.user("never")


async def test_identifiers_and_other_natives_when_a_rule_names_them(domain: Domain) -> None:
    server = domain.server
    photo = b"\xff\xd8\xff\xe0 a photo"
    boss = server.add_user("boss")
    dn = server.add_user("ada", thumbnailPhoto=photo, otherTelephone=["1", "2"], assistant=boss)
    names = {"userName", "objectSid", "objectGUID", "userAccountControl", "pwdLastSet", "thumbnailPhoto", "assistant",
             "otherTelephone", "distinguishedName"}  # fmt: skip
    mirror = await domain.follow(reads={Kind.USER: frozenset(names), Kind.GROUP: frozenset({"cn"})})
    ada = mirror.user("ada")
    assert str(ada["objectSid"]).startswith("S-1-5-21-")
    assert ada["objectGUID"] == mirror.id_of(Kind.USER, "ada")
    assert ada["userAccountControl"] == "544"
    assert ada["thumbnailPhoto"] == "/9j/4CBhIHBob3Rv"
    assert set(ada["otherTelephone"]) == {"1", "2"}  # type: ignore[arg-type]
    assert ada["distinguishedName"] == dn
    assert ada["assistant"] == boss
    assert str(ada["pwdLastSet"]).isdecimal()
    assert "active" not in ada


async def test_everything_is_read_when_the_rules_may_read_anything(domain: Domain) -> None:
    domain.server.add_user("ada", title="Countess")
    mirror = await domain.follow(reads=EVERYTHING)
    ada = mirror.user("ada")
    assert ada["title"] == "Countess"
    assert ada["sAMAccountName"] == ada["userName"] == "ada"
    assert ada["active"] is True
    assert not {"memberOf", "uSNChanged", "lastLogon", "unicodePwd"} & ada.keys()


async def test_bases_and_filters_select_the_records(domain: Domain) -> None:
    server = domain.server
    one, two, three = server.add_unit("one"), server.add_unit("two"), server.add_unit("three")
    inner = server.add_unit("inner", one)
    ada, bob = server.add_user("ada", inner), server.add_user("bob", two, title="robot")
    eve, zoe = server.add_user("eve", three), server.add_user("zoe", two)
    server.add_group("all", [ada, bob, eve, zoe], three)
    mirror = await domain.follow(
        users={"base": [one, two, inner.lower()], "filter": "(&(objectClass=user)(!(title=robot)))"},
        groups={"base": three},
    )
    assert {key[0]: each for key, each in mirror.records.items() if key[0] is Kind.GROUP}.keys() == {Kind.GROUP}
    assert mirror.members_of("all") == {"ada", "zoe"}
    assert not mirror.has_user("bob")
    assert not mirror.has_user("eve")


NAMES = ["Lovelace, Ada", 'The "Countess"', "Zoë Ångström", "李小龍", "a+b=c\\d", "#1 <x>;y"]


async def test_members_with_special_characters_in_their_names_are_found(domain: Domain) -> None:
    people = [domain.server.add_user(name, sAMAccountName=f"u{n}") for n, name in enumerate(NAMES)]
    domain.server.add_group("all", people)
    domain.server.add_group("nested", [domain.server.dn("all")])
    domain.server.add_group("empty")
    mirror = await domain.follow()
    assert mirror.members_of("all") == {f"u{n}" for n in range(len(NAMES))}
    assert mirror.members_of("nested") == {"all"}
    assert mirror.members_of("empty") == set()


async def test_check_describes_the_server_and_the_strategy(domain: Domain) -> None:
    text = "\n".join(await domain.check())
    assert "Active Directory (Samba" in text
    assert "strategy dirsync: the account may use DirSync, it has the right Replicating Directory Changes" in text
    assert "users: (&(objectCategory=person)(objectClass=user)) below DC=corp,DC=example" in text
