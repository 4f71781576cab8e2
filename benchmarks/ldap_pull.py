"""What a complete LDAP pull costs, in CPU seconds of the client, against python-ldap alone, and against ``ldapsearch``.

Run: ``python -m benchmarks.ldap_pull [people]``. A private slapd holds 20,000 people, 1,000 groups and 100,000
memberships. Pull and floors run in processes of their own, interleaved; the median of five is taken, from their start
to their end, without Python's own start and imports.

``drained`` is python-ldap as its documentation reads in pages: ``search_ext`` and ``result3`` for the same bases,
filters, attributes and pages, and the entries are dropped. It looks every attribute up by its name, from the entry's
beginning (ldap_get_values_len), so its cost grows with the square of the attributes. ``ldapsearch`` writes its LDIF to
a file.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import ldap
from benchmarks import table
from benchmarks.measure import Cost, process, report, rounds, spent_by
from ldap.controls.libldap import SimplePagedResultsControl

from usersyncd import memory
from usersyncd.plugin import Done, Kind
from usersyncd.testing import source_context
from usersyncd_ldap import LdapSource
from usersyncd_ldap.entries import EntryReader
from usersyncd_ldap.mapping import MAPPING, RFC_4511
from usersyncd_ldap.options import LdapOptions

MODULE = "benchmarks.ldap_pull"
PAGE = 1000
FEW = frozenset({"uid", "mail", "givenName", "sn", "displayName", "employeeType", "manager"})
"""The attributes that the rules of a small application read."""
MAPPED = frozenset(MAPPING[Kind.USER].values()) | frozenset(RFC_4511.names.values()) | {
    "givenName", "displayName", "title", "employeeNumber", "manager", "preferredLanguage", "mobile",
}  # fmt: skip
"""The attributes that are read without rules."""
ALL = MAPPED | {"cn", "l", "roomNumber"}
"""With entryUUID, twenty attributes."""
GROUP = frozenset({"cn", "description"})


def main(people: int = 20_000) -> None:
    from tests.servers.slapd import Slapd, company

    with tempfile.TemporaryDirectory() as folder:
        ldif = company(people, people // 20, people * 5)
        server = Slapd.start(Path(folder) / "slapd", ldif, megabytes=4096)
        try:
            for name, reads in (("7 attributes", FEW), ("16, as mapped", MAPPED), ("19", ALL)):
                found = rounds(
                    {
                        "ldapsearch": partial(_ldapsearch, server, reads, Path(folder)),
                        "drained": partial(process, MODULE, "drain", server.url, *sorted(reads)),
                        "pull": partial(process, MODULE, "pull", server.url, *sorted(reads)),
                    }
                )
                pull, drained, bare = (found[case].cpu for case in ("pull", "drained", "ldapsearch"))
                print(f"{name}: CPU {pull:.2f} s, ldapsearch {bare:.2f} s, ratio {pull / bare:.2f}", flush=True)
                table.add_cpu(f"LDAP pull, {people:,} people, {name}, against python-ldap", pull, drained, limit=1.3)
        finally:
            server.stop()


def attributes(reads: frozenset[str]) -> Mapping[str, list[str]]:
    """The searches of a pull: filter -> the attributes that it requests."""
    readers = {kind: EntryReader(kind, names, RFC_4511) for kind, names in _reads(reads).items()}
    return {RFC_4511.users: readers[Kind.USER].asks, RFC_4511.groups: readers[Kind.GROUP].asks}


def _reads(reads: frozenset[str]) -> Mapping[Kind, frozenset[str]]:
    return {Kind.USER: reads, Kind.GROUP: GROUP}


def _ldapsearch(server: object, reads: frozenset[str], folder: Path) -> Cost:
    from tests.servers.slapd import Slapd

    assert isinstance(server, Slapd)
    account = ["-x", "-H", server.url, "-D", server.reader_dn, "-w", server.reader_password, "-b", server.base]
    shown = ["-LLL", "-o", "ldif-wrap=no", "-E", f"pr={PAGE}/noprompt"]

    def search() -> None:
        with (folder / "out.ldif").open("wb") as ldif:
            for filterstr, asked in attributes(reads).items():
                subprocess.run(["ldapsearch", *account, *shown, filterstr, *asked], stdout=ldif, check=True)

    return spent_by(search)


def drain(url: str, reads: frozenset[str]) -> None:
    """Receive the entries of a pull with python-ldap, and drop them."""
    from tests.servers.slapd import Slapd

    connection = ldap.initialize(url)
    connection.simple_bind_s(Slapd.reader_dn, Slapd.reader_password)
    for filterstr, asked in attributes(reads).items():
        page = SimplePagedResultsControl(True, size=PAGE, cookie="")
        while True:
            message = connection.search_ext(Slapd.base, ldap.SCOPE_SUBTREE, filterstr, asked, serverctrls=[page])
            _, _, _, controls = connection.result3(message)
            page.cookie = next(each.cookie for each in controls if each.controlType == page.controlType)
            if not page.cookie:
                break
    connection.unbind_s()


def pull(url: str, reads: frozenset[str]) -> None:
    """One pull as a run does it."""
    from tests.servers.slapd import Slapd

    os.environ["LDAP_PASSWORD"] = Slapd.reader_password
    options = {"url": url, "bind_dn": Slapd.reader_dn, "password": {"env": "LDAP_PASSWORD"}, "base": Slapd.base}
    source = LdapSource(LdapOptions.model_validate(options), source_context(Path(), reads=_reads(reads)))

    async def pages() -> bool:
        ended = False
        async for page in source.pull(None):
            ended = isinstance(page, Done)
        return ended

    assert asyncio.run(pages())


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["pull" | "drain" as case, url, *reads]:
            memory.tune()  # as the command line does, and here for the floor, too
            report(lambda: (pull if case == "pull" else drain)(url, frozenset(reads)))
        case [people]:
            main(int(people))
        case _:
            main()
