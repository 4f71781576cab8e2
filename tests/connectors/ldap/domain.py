"""A directory on a Samba domain controller, with its pulls and their merged content."""

from __future__ import annotations

from pathlib import Path

from tests.connectors.ldap.directory import Followed, Reads
from tests.servers.samba import Samba
from usersyncd.plugin import CANONICAL, Kind

PLAIN: Reads = {
    Kind.USER: frozenset(CANONICAL[Kind.USER]) - {"id"} | {"mail", "sn"},
    Kind.GROUP: frozenset({"cn", "description", "mail"}),
}
"""About what is read without rules."""

EVERYTHING: Reads = {Kind.USER: None, Kind.GROUP: None}


class Domain(Followed):
    """A domain as a directory."""

    reads = PLAIN

    def __init__(self, server: Samba, folder: Path) -> None:
        super().__init__(
            folder, server.reader_password, url=server.url, bind_dn=server.sync_dn, tls={"ca_file": str(server.tls.ca)}
        )
        self.server = server
