"""A directory on a Samba domain controller, followed and looked at from outside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.connectors.ldap.directory import Reads, source
from tests.connectors.ldap.mirror import Mirror
from tests.servers.samba import Samba
from usersyncd.plugin import CANONICAL, Kind
from usersyncd.testing import Log
from usersyncd_ldap import LdapSource

PLAIN: Reads = {
    Kind.USER: frozenset(CANONICAL[Kind.USER]) - {"id"} | {"mail", "sn"},
    Kind.GROUP: frozenset({"cn", "description", "mail"}),
}
"""About what is read without rules."""


class Domain:
    """``options`` are those of a configuration; change them at will. ``mirror`` is what :meth:`follow` learnt."""

    def __init__(self, server: Samba, folder: Path) -> None:
        self.server, self.folder, self.log = server, folder, Log()
        self.mirror = Mirror()
        (folder / "password").write_text(server.reader_password)
        self.options: dict[str, Any] = {
            "url": server.url,
            "bind_dn": server.sync_dn,
            "password": {"file": "password"},
            "tls": {"ca_file": str(server.tls.ca)},
        }

    def source(self, *, reads: Reads | None = PLAIN, **options: Any) -> LdapSource:
        return source({**self.options, **options}, self.folder, reads, self.log)

    async def follow(self, **options: Any) -> Mirror:
        """Pull from where the last pull ended."""
        await self.mirror.follow(self.source(**options))
        return self.mirror

    async def afresh(self, **options: Any) -> Mirror:
        """What a complete pull says."""
        mirror = Mirror()
        await mirror.follow(self.source(**options))
        return mirror

    async def agrees(self, **options: Any) -> Mirror:
        """Follow, by an incremental pull, and see that a complete pull says the same."""
        before = self.mirror.pulls[1]
        mirror = await self.follow(**options)
        assert mirror.pulls[1] == before, self.log.entries
        differences = mirror.differences(await self.afresh(**options))
        assert not differences, "\n".join(differences)
        return mirror

    async def check(self, **options: Any) -> Sequence[str]:
        return await self.source(**options).check()
