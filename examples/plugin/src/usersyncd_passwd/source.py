"""The loop: accounts, then groups with their members, then Done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel, Field
from usersyncd.errors import SourceError
from usersyncd.plugin import Done, Kind, Members, Options, Page, Record, SourceContext, Value

from usersyncd_passwd.client import Account, Group, accounts, groups
from usersyncd_passwd.mapping import MAPPING


class PasswdOptions(Options):
    """The accounts of a Unix machine. Relative paths start at the configuration file's folder."""

    passwd: str = Field("/etc/passwd", description="The file of accounts.")
    group: str = Field("/etc/group", description="The file of groups.")
    min_uid: int = Field(1000, ge=0, description="Accounts with a smaller uid belong to the system and are left out.")
    max_uid: int = Field(60_000, ge=0, description="Accounts with a greater uid are left out, such as nobody.")


class PasswdSource:
    """Reads everything in each pull: the files have no history, so there is no cursor."""

    api: ClassVar[int] = 2
    Options: ClassVar[type[BaseModel]] = PasswdOptions
    mapping: ClassVar[Mapping[Kind, Mapping[str, str]]] = MAPPING

    def __init__(self, options: PasswdOptions, context: SourceContext) -> None:
        self._options = options
        self._passwd = context.folder / options.passwd
        self._group = context.folder / options.group
        self._context = context

    def pull(self, cursor: str | None) -> AsyncIterator[Page | Done]:
        """Raises SourceError when a file cannot be read or a line is malformed."""
        return self._context.blocking(self._pages)

    async def check(self) -> Sequence[str]:
        """Read everything and describe it. Raises SourceError."""
        return [line async for line in self._context.blocking(self._describe)]

    def _pages(self) -> Iterator[Page | Done]:
        people = self._people()
        yield [user(account) for account in people]
        # A page is some hundred to some thousand items. This directory is small; a large one would yield many.
        yield [item for group in groups(self._group) for item in with_members(group, people)]
        # Only here, when everything was read: records that were not listed count as deleted.
        yield Done(cursor=None, complete=True)

    def _describe(self) -> Iterator[str]:
        people = self._people()
        used = sum(bool(with_members(group, people)) for group in groups(self._group))
        yield f"{self._passwd}: {len(people)} accounts, uid {self._options.min_uid} to {self._options.max_uid}"
        yield f"{self._group}: {used} groups that they are in"

    def _people(self) -> list[Account]:
        found: dict[int, Account] = {}
        for account in accounts(self._passwd):
            if self._options.min_uid <= account.uid <= self._options.max_uid:
                if account.uid in found:
                    raise SourceError(
                        f"{self._passwd}: {found[account.uid].login} and {account.login} have the uid {account.uid}",
                        "give one of them a uid of its own",
                    )
                found[account.uid] = account
        return list(found.values())


def user(account: Account) -> Record:
    """The uid is the id, because it never changes. The login may change: it is an attribute, and a handle for memberships."""
    name, _, phone, *_ = [*account.gecos.split(","), "", ""]
    attributes = {
        "login": account.login,
        "fullName": name,
        "workPhone": phone,
        "home": account.home,
        "shell": account.shell,
    }
    present: dict[str, Value] = {name: value for name, value in attributes.items() if value}
    return Record(Kind.USER, str(account.uid), present, handles=(handle(account.login),))


def with_members(group: Group, people: Sequence[Account]) -> list[Record | Members]:
    """The group and its members; nothing when none of these people is in it."""
    logins = {account.login for account in people if account.gid == group.gid or account.login in group.logins}
    if not logins:
        return []
    # Members are named by handle. By id would be wrong here: a user and a group often share a number.
    return [
        Record(Kind.GROUP, str(group.gid), {"name": group.name}),
        Members(str(group.gid), frozenset(map(handle, logins))),
    ]


def handle(login: str) -> str:
    return f"login:{login}"
