"""What an incremental LDAP pull with 100 changes costs, at 10,000 and at 100,000 people.

Run: ``python -m benchmarks.ldap_changes [people]``. A private slapd with syncrepl and an accesslog holds a tenth of the
people first, then all. Each round changes 90 people and 10 groups, and pulls. Measured is the wall time of the pull and
its CPU seconds, without Python's own start; the median of nine. Of what did not change, the pull reads the ids. The
floor is python-ldap alone reading these, from the same server, in the same run: the CPU seconds of that.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import ldap
from tests.servers.slapd import BASE, Slapd, company

from usersyncd.plugin import Done, Kind, Present
from usersyncd.testing import source_context
from usersyncd_ldap import LdapSource
from usersyncd_ldap.options import LdapOptions

ROUNDS = 9
FILTER = "(|(objectClass=inetOrgPerson)(objectClass=groupOfNames))"
READS: Mapping[Kind, frozenset[str] | None] = {
    Kind.USER: frozenset({"userName", "mail", "givenName", "sn", "displayName", "employeeType", "manager"}),
    Kind.GROUP: frozenset({"cn", "description"}),
}


def main(people: int = 100_000) -> None:
    print(f"an incremental pull, 100 changes{'milliseconds':>26}{'CPU ms':>10}{'all ids':>12}{'ratio':>8}")
    for count in (people // 10, people):
        with tempfile.TemporaryDirectory() as folder:
            ldif = company(count, count // 20, count * 5)
            server = Slapd.start(Path(folder) / "slapd", ldif, megabytes=4096, changes="accesslog")
            try:
                wall, cpu, floor = asyncio.run(measure(server, count))
            finally:
                server.stop()
        print(f"{count:>10,} people{wall * 1000:41.1f}{cpu * 1000:10.1f}{floor * 1000:12.1f}{cpu / floor:8.2f}")


async def measure(server: Slapd, people: int) -> tuple[float, float, float]:
    """Median wall and CPU seconds of an incremental pull, and the CPU seconds of a search for the ids of all."""
    os.environ["LDAP_PASSWORD"] = server.reader_password
    options = {"url": server.url, "bind_dn": server.reader_dn, "password": {"env": "LDAP_PASSWORD"}, "base": BASE}
    cursor, _ = await pull(options, None)
    walls, cpus, floors = [], [], []
    connection = server.connect()
    for turn in range(ROUNDS):
        for number in range(90):
            dn = f"uid=u{(turn * 90 + number) * 7 % people},ou=people,{BASE}"
            server.modify(dn, {"title": f"Doctor {turn}"})
        for number in range(10):
            server.modify(f"cn=g{turn * 10 + number},ou=groups,{BASE}", {"member": f"uid=u{turn},ou=people,{BASE}"})
        started, before = time.perf_counter(), time.process_time()
        cursor, items = await pull(options, cursor)
        walls.append(time.perf_counter() - started)
        cpus.append(time.process_time() - before)
        assert items == 90 + 10 + 10, items  # people, groups, and the members of these
        before = time.process_time()
        found = connection.search_s(BASE, ldap.SCOPE_SUBTREE, FILTER, ["entryUUID"])
        floors.append(time.process_time() - before)
        assert len(found) == people + people // 20
    connection.unbind_s()
    return statistics.median(walls), statistics.median(cpus), statistics.median(floors)


async def pull(options: Mapping[str, object], cursor: str | None) -> tuple[str | None, int]:
    """The cursor of the next pull, and the number of records reported, without those that were only named."""
    source = LdapSource(LdapOptions.model_validate(options), source_context(Path(), reads=READS))
    items, end = 0, None
    async for page in source.pull(cursor):
        if isinstance(page, Done):
            end = page
        else:
            items += sum(1 for item in page if not isinstance(item, Present))
    assert end is not None
    return end.cursor, items


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
