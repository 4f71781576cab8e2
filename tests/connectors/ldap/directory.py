"""A directory on a test server, with its pulls and their merged content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.connectors.ldap.mirror import Mirror
from tests.servers.ds389 import Ds389
from tests.servers.slapd import Slapd
from usersyncd.plugin import Kind, Record, Value
from usersyncd.testing import DirectoryContent, Log, fold, read, source_context
from usersyncd_ldap import LdapSource
from usersyncd_ldap.options import LdapOptions

Reads = Mapping[Kind, frozenset[str] | None]


def source(
    options: Mapping[str, Any],
    folder: Path,
    reads: Reads | None = None,
    log: Log | None = None,
    last_cursor: str | None = None,
) -> LdapSource:
    context = source_context(folder, name="corp", reads=reads, log=log, last_cursor=last_cursor)
    return LdapSource(LdapOptions.model_validate(options), context)


class Followed:
    """``options`` are those of a configuration; change them at will. ``mirror`` is what :meth:`follow` learnt."""

    reads: Reads | None = None
    """The attributes that the rules read by default."""

    def __init__(self, folder: Path, password: str, **options: Any) -> None:
        self.folder, self.log, self.mirror = folder, Log(), Mirror()
        (folder / "password").write_text(password)
        self.options: dict[str, Any] = {"password": {"file": "password"}, **options}

    def source(self, *, reads: Reads | None = None, **options: Any) -> LdapSource:
        return source({**self.options, **options}, self.folder, reads or self.reads, self.log, self.mirror.cursor)

    async def follow(self, **options: Any) -> Mirror:
        """Pull from where the last pull ended."""
        await self.mirror.follow(self.source(**options))
        return self.mirror

    async def afresh(self, **options: Any) -> Mirror:
        """Return the content of a complete pull."""
        mirror = Mirror()
        await mirror.follow(self.source(**options))
        return mirror

    async def agrees(self, **options: Any) -> Mirror:
        """Pull after the cursor, and check that a complete pull has the same content."""
        before = self.mirror.pulls[1]
        mirror = await self.follow(**options)
        assert mirror.pulls[1] == before, self.log.entries
        differences = mirror.differences(await self.afresh(**options))
        assert not differences, "\n".join(differences)
        return mirror

    async def check(self, **options: Any) -> Sequence[str]:
        return await self.source(**options).check()


class Directory(Followed):
    """A slapd as a directory."""

    def __init__(self, server: Slapd, folder: Path) -> None:
        super().__init__(folder, server.reader_password, url=server.url, bind_dn=server.reader_dn, base=server.base)
        self.server = server

    async def pull(self, *, reads: Reads | None = None, **options: Any) -> Pulled:
        pull = await read(self.source(reads=reads, **options))
        assert [end.complete for end in pull.ends] == [True]
        return Pulled(list(pull.items))


class Directory389(Followed):
    """A 389 Directory Server as a directory."""

    def __init__(self, server: Ds389, folder: Path) -> None:
        super().__init__(folder, server.reader_password, url=server.url, bind_dn=server.reader_dn, base=server.base)
        self.server = server


AnyDirectory = Directory | Directory389


class Pulled:
    """What a whole pull said. Users are found by uid, groups by cn."""

    def __init__(self, items: list[Any]) -> None:
        self.listing: DirectoryContent = fold(items)
        self.records = [item for item in items if isinstance(item, Record)]
        self.users = {str(user.attributes.get("uid")): user for user in self._of(Kind.USER)}
        self.groups = {str(group.attributes.get("cn")): group for group in self._of(Kind.GROUP)}

    def _of(self, kind: Kind) -> list[Record]:
        return [record for record in self.records if record.kind is kind]

    def members(self, group: str) -> set[str]:
        """Members of a group: uid or cn of those that are known, the handle of others."""
        return {self._name(member) for of, member in self.listing.edges if of == self.groups[group].id}

    def _name(self, member: str) -> str:
        found = self.listing.handles.get(member)
        if found is None:
            return member
        attributes: dict[str, Value] = self.listing.records[found]
        return str(attributes["uid" if found[0] is Kind.USER else "cn"])
