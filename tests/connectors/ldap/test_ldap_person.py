"""One user as an LDAP server holds it, read alone: exactly what a pull reads of this user."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from tests.connectors.ldap.directory import Directory, Directory389, Followed
from tests.connectors.ldap.domain import Domain
from tests.connectors.ldap.people import GROUPS, PEOPLE, READS, members, person, unit
from tests.connectors.ldap.soak import Life
from tests.connectors.pulling import follow_people
from tests.servers.slapd import BASE
from usersyncd.errors import AmbiguousPersonError, SourceError, WholePullError
from usersyncd.plugin import Kind, Listed, Members, Person, Record, Unread
from usersyncd.testing import Pull, read, source_context
from usersyncd_ldap import LdapSource
from usersyncd_ldap.options import LdapOptions

AnyServer = Directory | Directory389 | Domain


async def ask(directory: Followed, name: str, listed: Listed | None = None, **options: Any) -> Person | None:
    return await directory.source(**options).person(name, listed or {})


def users_of(pull: Pull) -> dict[str, Record]:
    return {item.id: item for item in pull.items if isinstance(item, Record) and item.kind is Kind.USER}


def groups_of(pull: Pull, user: Record) -> dict[str, frozenset[str]]:
    names, found = frozenset((user.id, *user.handles)), dict[str, frozenset[str]]()
    for item in pull.items:
        if isinstance(item, Members) and names & item.added:
            found[item.group] = found.get(item.group, frozenset()) | (names & item.added)
    return found


async def agrees(directory: Followed, before: Pull | None = None, **options: Any) -> None:
    """Every user, read alone, is what a complete pull reads. ``before``: the last pull."""
    pull = await read(directory.source(**options))
    before = before or pull
    users, known = users_of(pull), users_of(before)
    for user in {**known, **users}:
        listed = groups_of(before, known[user]) if user in known else {}
        found = await ask(directory, user, listed, **options)
        if user not in users:
            assert found is None, "a pull leaves this user out"
            continue
        assert found is not None
        assert found.record == users[user]
        assert found.groups == groups_of(pull, users[user])


@pytest.fixture(params=["openldap", "389", "dirsync", "usn"])
def subject(request: pytest.FixtureRequest) -> AnyServer:
    found: AnyServer
    match request.param:
        case "openldap":
            found = request.getfixturevalue("serve")(changes="present")
            found.reads = READS
        case "389":
            found = request.getfixturevalue("serve389")()
            found.reads = READS
        case strategy:
            found = request.getfixturevalue("domain")
            found.options["strategy"] = strategy
    bases = [f"OU=one,{found.server.base}", f"OU=two,{found.server.base}"]
    found.options |= {"users": {"base": bases}, "groups": {"base": bases}}
    return found


async def test_a_user_is_read_as_a_pull_reads_it_after_random_changes(subject: AnyServer) -> None:
    life = Life(subject.server, seed=11, people=15, groups=5)
    for _ in range(3):
        await subject.follow()
        whole = await read(subject.source())
        for _ in range(20):
            await asyncio.to_thread(life.step)
        await agrees(subject, whole)


async def test_all_attributes_are_those_of_a_pull(serve: Callable[..., Directory]) -> None:
    directory = serve()
    person(directory, "ada", title="Boss", description="x")
    await agrees(directory)


@pytest.mark.parametrize("server", ["serve", "serve389"])
async def test_all_attributes_with_members_are_read(server: str, request: pytest.FixtureRequest) -> None:
    directory = request.getfixturevalue(server)()
    directory.reads = READS
    for name in ("ada", "Bob"):
        person(directory, name)
    posix = {"objectClass": "posixGroup", "gidNumber": "5"}
    directory.server.add(f"cn=posix,{GROUPS}", {**posix, "cn": "posix", "memberUid": ["ADA", "Bob", "elsewhere"]})
    unique = {"objectClass": "groupOfUniqueNames", "cn": "unique"}
    directory.server.add(f"cn=unique,{GROUPS}", {**unique, "uniqueMember": [f"uid=ADA,{PEOPLE}", f"UID=bob, {PEOPLE}"]})
    directory.server.add(
        f"cn=plain,{GROUPS}", {"objectClass": "groupOfNames", "cn": "plain", "member": f"uid=Ada,{PEOPLE}"}
    )
    pull = await read(directory.source())
    for user in users_of(pull).values():
        for listed in ({}, groups_of(pull, user)):
            found = await ask(directory, user.id, listed)
            assert found is not None
            assert found.groups == groups_of(pull, user)


async def test_dynamic_groups_are_read(serve: Callable[..., Directory], serve389: Callable[..., Directory389]) -> None:
    overlay = "overlay dynlist\ndynlist-attrset groupOfURLs memberURL member"
    for directory in (serve(changes="present", database=overlay), serve389()):
        directory.reads = READS
        directory.options["groups"] = {"filter": "(|(objectClass=groupOfNames)(objectClass=groupOfURLs))"}
        group = {"objectClass": "groupOfURLs", "cn": "berlin", "memberURL": f"ldap:///{PEOPLE}??one?(l=Berlin)"}
        directory.server.add(f"cn=berlin,{GROUPS}", group)
        person(directory, "ada", l="Berlin")
        person(directory, "bob", l="Paris")
        before = await read(directory.source())
        directory.server.modify(f"uid=ada,{PEOPLE}", {"l": "Paris"})
        directory.server.modify(f"uid=bob,{PEOPLE}", {"l": "Berlin"})
        await agrees(directory, before)


async def test_a_dynamic_group_that_cannot_be_used_keeps_its_members(serve389: Callable[..., Directory389]) -> None:
    directory = serve389()
    directory.reads = READS
    directory.options["groups"] = {"filter": "(objectClass=groupOfURLs)"}
    group = {"objectClass": "groupOfURLs", "cn": "odd", "memberURL": "ldap://elsewhere/dc=x??sub?(l=Berlin)"}
    directory.server.add(f"cn=odd,{GROUPS}", group)
    person(directory, "ada")
    pull = await read(directory.source())
    [odd] = [item.id for item in pull.items if isinstance(item, Unread)]
    [ada] = users_of(pull)
    found = await ask(directory, ada, {odd: frozenset({"uid:ada"})})
    assert found is not None
    assert found.groups == {odd: frozenset({"uid:ada"})}


# ---- names


@pytest.fixture
def acme(serve: Callable[..., Directory]) -> Directory:
    directory = serve()
    directory.reads = READS
    person(directory, "ada", mail="ada@acme.example")
    person(directory, "bob", mail="bob@acme.example")
    return directory


async def test_a_user_is_found_by_login_and_mail(acme: Directory) -> None:
    found = [await ask(acme, name) for name in ("ada", "ADA", "ada@acme.example")]
    assert {one.record.attributes["userName"] for one in found if one and isinstance(one.record, Record)} == {"ada"}
    assert all(found)


async def test_a_user_of_active_directory_is_found_by_either_login(domain: Domain) -> None:
    domain.server.add_user("ada", userPrincipalName="ada@acme.example", mail="countess@acme.example")
    ids = {
        one.record.id
        for name in ("ada", "ada@acme.example", "countess@acme.example")
        if (one := await ask(domain, name))
    }
    assert len(ids) == 1
    found = await ask(domain, "ada")
    assert found is not None
    assert found.groups, "the primary group"


@pytest.mark.parametrize("name", ["*", "ada)(uid=*", "a*", "\\2a", "ada\0", "", "("])
async def test_a_name_cannot_change_the_filter(acme: Directory, name: str) -> None:
    assert await ask(acme, name) is None


async def test_two_users_with_the_mail_are_refused_by_id(acme: Directory) -> None:
    acme.server.modify(f"uid=bob,{PEOPLE}", {"mail": "ada@acme.example"})
    ids = sorted(users_of(await read(acme.source())))
    with pytest.raises(AmbiguousPersonError, match=", ".join(ids)):
        await ask(acme, "ada@acme.example")


async def test_another_entry_under_the_same_name_is_another_user(acme: Directory) -> None:
    [before] = [
        user.id for user in users_of(await read(acme.source())).values() if user.attributes["userName"] == "ada"
    ]
    acme.server.delete(f"uid=ada,{PEOPLE}")
    person(acme, "ada")
    assert await ask(acme, before) is None
    now = await ask(acme, "ada")
    assert now is not None
    assert now.record.id != before


# ---- the scope, and doubt


async def test_a_user_outside_of_filter_and_bases_is_left_out(acme: Directory) -> None:
    await agrees(acme, await read(acme.source()), users={"filter": "(&(objectClass=inetOrgPerson)(uid=a*))"})
    unit(acme, "elsewhere")
    before = await read(acme.source())
    acme.server.rename(f"uid=ada,{PEOPLE}", "uid=ada", f"ou=elsewhere,{BASE}")
    await agrees(acme, before, users={"base": PEOPLE})


async def test_groups_outside_of_their_bases_are_left_out(acme: Directory) -> None:
    unit(acme, "elsewhere")
    group = {"objectClass": "groupOfNames", "cn": "far", "member": f"uid=ada,{PEOPLE}"}
    acme.server.add(f"cn=far,ou=elsewhere,{BASE}", group)
    acme.server.add(f"cn=near,{GROUPS}", {**group, "cn": "near"})
    members(acme, "near", f"uid=ada,{PEOPLE}", f"uid=bob,{PEOPLE}")
    await agrees(acme, groups={"base": GROUPS})


async def test_a_base_that_does_not_exist_deletes_nobody(acme: Directory) -> None:
    [ada, _] = users_of(await read(acme.source()))
    with pytest.raises(SourceError, match="ou=renamed"):
        await ask(acme, ada, users={"base": f"ou=renamed,{BASE}"})


async def test_an_account_that_sees_nobody_deletes_nobody(acme: Directory) -> None:
    """A server may answer a search without rights by an empty success."""
    [ada, _] = users_of(await read(acme.source()))
    with pytest.raises(SourceError, match="rights"):
        await ask(acme, ada, users={"filter": "(objectClass=device)"})


async def test_a_server_that_does_not_answer_deletes_nobody(acme: Directory) -> None:
    [ada, _] = users_of(await read(acme.source()))
    acme.server.kill()
    with pytest.raises(SourceError):
        await ask(acme, ada)


async def test_a_cursor_of_another_scope_needs_a_whole_pull(serve: Callable[..., Directory]) -> None:
    directory = serve(changes="present")
    directory.reads = READS
    person(directory, "ada")
    cursor = (await read(directory.source())).ends[0].cursor
    options = LdapOptions.model_validate({**directory.options, "groups": {"base": GROUPS}})
    context = source_context(directory.folder, reads=READS, last_cursor=cursor)
    with pytest.raises(WholePullError):
        await LdapSource(options, context).person("ada", {})


async def test_a_user_with_hidden_attributes_is_named(domain: Domain) -> None:
    dn = domain.server.add_user("ada")
    domain.server.add_user("bob")
    key = (await domain.follow()).id_of(Kind.USER, "ada")
    domain.server.hide(dn, "4c164200-20c0-11d0-a768-00aa006e0529", "sync")
    found = await ask(domain, key)
    assert found is not None
    assert isinstance(found.record, Unread)


def test_people_and_incremental_pulls_end_where_a_first_pull_does(subject: AnyServer, tmp_path: Path) -> None:
    life = Life(subject.server, seed=5, people=15, groups=5)
    time.sleep(1.1)  # OpenLDAP's times have seconds: the units must not look as if they were renamed
    options = {**subject.options, "password": {"file": str(subject.folder / "password")}}
    known: dict[str, None] = {}

    def people() -> list[str]:
        known.update(dict.fromkeys(users_of(asyncio.run(read(subject.source())))))
        return list(known)

    people()
    follow_people(tmp_path, LdapSource, options, life.step, people, 5, rounds=2)
