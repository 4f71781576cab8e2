"""What a complete LDAP pull costs, in CPU seconds of the client, against ``ldapsearch`` for the same attributes.

Run: ``python -m benchmarks.ldap_pull [people]``. A private slapd holds 100,000 people, 5,000 groups and 500,000
memberships. Pull and floor run in processes of their own, interleaved; the median of five is taken. The pull is counted
from its start to its end, without Python's own start. The floor writes its LDIF to a file.

``drained`` is the same pull whose entries are dropped as they come: the part of python-ldap. It looks every attribute
up by its name, from the entry's beginning (ldap_get_values_len), so that part grows with the square of the attributes.
"""

from __future__ import annotations

import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from usersyncd.plugin import Done, Kind
from usersyncd.testing import source_context
from usersyncd_ldap import LdapSource
from usersyncd_ldap.entries import EntryReader
from usersyncd_ldap.mapping import MAPPING, RFC_4511
from usersyncd_ldap.options import LdapOptions

ROUNDS = 5
KEY = RFC_4511.key
FEW = frozenset({"uid", "mail", "givenName", "sn", "displayName", "employeeType", "manager"})
"""The attributes that the rules of a small application read."""
MAPPED = frozenset(MAPPING[Kind.USER].values()) | frozenset(RFC_4511.names.values()) | {
    "givenName", "displayName", "title", "employeeNumber", "manager", "preferredLanguage", "mobile",
}  # fmt: skip
"""The attributes that are read without rules."""
ALL = MAPPED | {"cn", "l", "roomNumber"}
"""With entryUUID, twenty attributes."""
GROUP = frozenset({"cn", "description"})


def main(people: int = 100_000) -> None:
    from tests.servers.slapd import Slapd, company

    with tempfile.TemporaryDirectory() as folder:
        ldif = company(people, people // 20, people * 5)
        server = Slapd.start(Path(folder) / "slapd", ldif, megabytes=4096)
        try:
            title = f"{people:,} people: CPU seconds of the client"
            print(f"{title:44}{'pull':>12}{'drained':>12}{'ldapsearch':>12}{'ratio':>8}")
            for name, reads in (("7 attributes", FEW), ("16, as mapped", MAPPED), ("19", ALL)):
                pulls, drains, floors = [], [], []
                for _ in range(ROUNDS):
                    floors.append(_ldapsearch(server, reads, Path(folder) / "out.ldif"))
                    drains.append(_pulled("drain", server.url, reads))
                    pulls.append(_pulled("pull", server.url, reads))
                pull, drain, floor = map(statistics.median, (pulls, drains, floors))
                print(f"{name + ' and ' + KEY:44}{pull:12.2f}{drain:12.2f}{floor:12.2f}{pull / floor:8.2f}")
        finally:
            server.stop()


def _pulled(how: str, url: str, reads: frozenset[str]) -> float:
    command = [sys.executable, "-m", __spec__.name, how, url, *sorted(reads)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def _ldapsearch(server: object, reads: frozenset[str], out: Path) -> float:
    from tests.servers.slapd import Slapd

    assert isinstance(server, Slapd)
    common = [
        "ldapsearch",
        "-x",
        "-H",
        server.url,
        "-D",
        server.reader_dn,
        "-w",
        server.reader_password,
        "-b",
        server.base,
    ]
    common += ["-LLL", "-o", "ldif-wrap=no", "-E", "pr=1000/noprompt"]
    with out.open("wb") as ldif:
        users = _cpu([*common, RFC_4511.users, KEY, *sorted(reads)], ldif)
        return users + _cpu([*common, RFC_4511.groups, KEY, "member", "uniqueMember", "memberUid", *GROUP], ldif)


def _cpu(command: Sequence[str], out: IO[bytes] | None = None) -> float:
    """Return the CPU seconds of a process from its start to its end, in user and kernel mode."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=out, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


async def pull(url: str, reads: frozenset[str], *, drain: bool = False) -> None:
    """One pull as a run does it, in this process; prints its CPU seconds in user and kernel mode.

    ``drain``: the entries are received, and not looked at.
    """
    from tests.servers.slapd import Slapd

    os.environ["LDAP_PASSWORD"] = Slapd.reader_password
    options = {"url": url, "bind_dn": Slapd.reader_dn, "password": {"env": "LDAP_PASSWORD"}, "base": Slapd.base}
    context = source_context(Path(), reads={Kind.USER: reads, Kind.GROUP: GROUP})
    source = LdapSource(LdapOptions.model_validate(options), context)
    if drain:
        EntryReader.take = lambda *_: False  # type: ignore[method-assign]
    before = time.process_time()
    whole = False
    async for page in source.pull(None):
        whole = isinstance(page, Done)
    spent = time.process_time() - before
    assert whole
    print(spent)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["pull" | "drain" as how, url, *reads]:
            asyncio.run(pull(url, frozenset(reads), drain=how == "drain"))
        case [people]:
            main(int(people))
        case _:
            main()
