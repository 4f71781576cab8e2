"""Any fault discards the pull, and the message says where it happened and what to do."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from typing import Any, cast

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from pydantic import ValidationError

from tests.connectors.ldap.directory import Directory
from tests.servers.process import free_port
from tests.servers.slapd import BASE, company, person
from usersyncd.errors import SourceError
from usersyncd.plugin import Done, Kind
from usersyncd_ldap import LdapSource
from usersyncd_ldap.client import connect
from usersyncd_ldap.options import LdapOptions

Serve = Callable[..., Directory]

READS = {Kind.USER: frozenset({"uid"}), Kind.GROUP: frozenset({"cn"})}


async def fails(directory: Directory, *, says: str, **options: Any) -> SourceError:
    """Pull, check that the pull fails with a remedy, and return the error."""
    with pytest.raises(SourceError, match=says) as raised:
        await directory.pull(**options)
    assert raised.value.remedy
    return raised.value


async def test_a_size_limit_that_is_hit_midway(serve: Serve) -> None:
    directory = serve(*company(people=500, groups=2, memberships=10), limits="size=unlimited size.prtotal=120")
    error = await fails(directory, says="imit", page_size=50)
    assert "after 120 entries" in error.message or "after 100 entries" in error.message
    assert directory.server.url in error.message
    assert f'dn.exact="cn=reader,{BASE}" size=unlimited size.prtotal=unlimited' in str(error.remedy)


async def test_a_size_limit_of_an_unpaged_search(serve: Serve) -> None:
    directory = serve(
        *company(people=500, groups=0, memberships=0), limits="size.soft=100 size.hard=100 size.pr=noEstimate"
    )
    await fails(directory, says="Size limit exceeded", page_size=1000)


async def test_a_server_that_is_killed_midway(serve: Serve) -> None:
    directory = serve(*company(people=20_000, groups=0, memberships=0))
    seen = []

    async def kill_after_the_first_page() -> None:
        async for page in directory.source(reads=READS, page_size=100).pull(None):
            seen.append(page)
            if len(seen) == 1:
                directory.server.kill()

    with pytest.raises(SourceError, match=r"failed after [\d,]+ entries: Can't contact LDAP server"):
        await kill_after_the_first_page()
    assert not any(isinstance(page, Done) for page in seen)
    directory.server.run()
    assert len((await directory.pull(reads=READS)).users) == 20_000


async def test_a_server_that_falls_silent_midway(serve: Serve) -> None:
    directory = serve(*company(people=20_000, groups=0, memberships=0))
    silence = pytest.raises(SourceError, match=r"failed after [\d,]+ entries: no response in time")
    with silence, frozen_at_end(directory):
        async with aclosing(cast("Any", directory.source(reads=READS, page_size=100, timeout=2).pull(None))) as pages:
            await anext(pages)
            os.kill(directory.server.pid, signal.SIGSTOP)
            async for _ in pages:
                pass


async def test_a_pull_of_a_silent_server_can_be_left_at_once(serve: Serve) -> None:
    directory = serve(*company(people=20_000, groups=0, memberships=0))
    with frozen_at_end(directory):
        async with aclosing(cast("Any", directory.source(reads=READS, page_size=100).pull(None))) as pages:
            await anext(pages)
            os.kill(directory.server.pid, signal.SIGSTOP)
            while await anext(pages):  # pages that were under way; then the empty one of a silent server
                pass
            start = time.monotonic()
        assert time.monotonic() - start < 15


class frozen_at_end:
    """Let a stopped server go on afterwards, so that it can end."""

    def __init__(self, directory: Directory) -> None:
        self.pid = directory.server.pid

    def __enter__(self) -> None: ...

    def __exit__(self, *exception: object) -> None:
        os.kill(self.pid, signal.SIGCONT)


async def test_a_server_that_is_down(serve: Serve) -> None:
    directory = serve()
    directory.server.stop()
    error = await fails(directory, says="no LDAP server answers")
    assert directory.server.url in error.message
    with pytest.raises(SourceError, match="no LDAP server answers"):
        await directory.check()


async def test_the_next_server_is_tried(serve: Serve) -> None:
    directory = serve(person(0))
    dead = f"ldap://127.0.0.1:{free_port()}"
    assert set((await directory.pull(url=[dead, directory.server.url])).users) == {"u0"}
    assert any(dead in str(entry) for entry in directory.log.entries if entry["log_level"] == "warning")


@pytest.fixture
def mute() -> Iterator[int]:
    """The port of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(("scheme", "tls"), [("ldap", {}), ("ldap", {"start_tls": True}), ("ldaps", {})])
async def test_a_server_that_accepts_connections_and_never_answers(
    serve: Serve, mute: int, scheme: str, tls: dict[str, bool]
) -> None:
    start = time.monotonic()
    await fails(serve(), says="no LDAP server answers", url=f"{scheme}://127.0.0.1:{mute}", tls=tls, timeout=1)
    assert time.monotonic() - start < 15


async def test_a_wrong_password_is_tried_once(serve: Serve) -> None:
    directory = serve()
    (directory.folder / "password").write_text("not-it")
    error = await fails(directory, says="Invalid credentials", url=[directory.server.url] * 2)
    assert f"cn=reader,{BASE}" in error.message
    assert "not-it" not in str(error)


async def test_an_empty_password_does_not_sign_in_anonymously(serve: Serve) -> None:
    directory = serve(person(0))
    options = LdapOptions.model_validate(directory.options)
    with pytest.raises(SourceError, match="is empty"):
        connect([], options, directory.folder, "", directory.log.logger)


async def test_a_base_that_is_not_there(serve: Serve) -> None:
    directory = serve(person(0))
    error = await fails(directory, says="No such object", users={"base": f"ou=nowhere,{BASE}"})
    assert f"ou=nowhere,{BASE}" in error.message
    with pytest.raises(SourceError, match="ou=nowhere"):
        await directory.check(groups={"base": f"ou=nowhere,{BASE}"})


async def test_a_base_on_another_server(serve: Serve) -> None:
    directory = serve(database="referral ldap://elsewhere.example")
    await fails(directory, says="Referral|No such object", base="dc=other,dc=example")


async def test_an_entry_without_immutable_id(serve: Serve) -> None:
    directory = serve(person(0), database="access to attrs=entryUUID by * none")
    error = await fails(directory, says="has no entryUUID")
    assert f"uid=u0,ou=people,{BASE}" in error.message


async def test_an_invalid_filter(serve: Serve) -> None:
    await fails(serve(), says="filter", users={"filter": "(&(objectClass=person)"})


async def test_a_password_does_not_travel_in_plain_text(serve: Serve) -> None:
    directory = serve(person(0))
    for host in ("192.0.2.1", "[2001:db8::1]"):  # RFC 5737, RFC 3849: addresses of nobody
        error = await fails(directory, says="would be sent unencrypted", url=f"ldap://{host}")
        assert "start_tls" in str(error.remedy)
    for host in ("127.0.0.1", "localhost"):
        await directory.pull(url=directory.server.url.replace("127.0.0.1", host))


async def test_a_host_that_does_not_exist(serve: Serve) -> None:
    await fails(serve(), says="no LDAP server answers", url="ldap://no-such-host.invalid")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"url": "http://dc1"}, "not the address of an LDAP server"),
        ({"url": "ldap:///"}, "not the address of an LDAP server"),
        ({"url": "ldap://dc1/ou=people"}, "more than a host and a port"),
        ({"url": "ldap://ada:secret@dc1"}, "more than a host and a port"),
        ({"url": []}, "at least 1"),
        ({"base": "acme"}, "not a DN"),
        ({"bind_dn": "cn=a"}, "belong together"),
        ({"bind_dn": "sync", "password": {"env": "X"}}, "'sync' is neither a DN .* nor an account of Active Directory"),
        (
            {"bind_dn": "sync@corp.example", "password": {"env": "X"}, "base": "dc=acme,dc=example"},
            "sync@corp.example is not an account of acme.example: write its DN",
        ),
        ({"bind_dn": "CORP\\sync", "password": {"env": "X"}}, "is not an account of acme: write its DN"),
        ({"bind_dn": "sync@", "password": {"env": "X"}}, "neither a DN"),
        ({"password": "hush"}, "must not be in the file"),
        ({"users": {"filter": "objectClass=person"}}, "in parentheses"),
        ({"url": "ldaps://dc1", "tls": {"start_tls": True}}, "secured from its start"),
        ({"page_size": 0}, "greater than or equal to 1"),
        ({"bse": "dc=acme"}, "Extra inputs"),
    ],
)
def test_invalid_options(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says) as raised:
        LdapSource.Options.model_validate({"url": "ldaps://dc1", "base": "dc=acme", **options})
    assert "hush" not in str(raised.value).replace("input_value='hush'", "")


async def test_several_directories_fail_alone(serve: Serve) -> None:
    healthy, broken = serve(person(0)), serve(person(1))
    broken.server.kill()
    results = await asyncio.gather(healthy.pull(), broken.pull(), return_exceptions=True)
    assert isinstance(results[1], SourceError)
    assert not isinstance(results[0], BaseException)
