"""What the LDAP servers of the tests share: stopping them, their data, and changing entries as their administrator."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import ldap
import ldap.ldapobject
import ldap.modlist

from tests.servers.process import Process

Attributes = Mapping[str, str | bytes | list[str] | list[bytes]]


class LdapServer:
    """``data`` is the folder that holds everything the server knows; ``url``, ``admin_dn`` and ``admin_password`` are
    for :meth:`connect`."""

    admin_dn: ClassVar[str]
    admin_password: ClassVar[str]
    url: str

    def __init__(self, data: Path) -> None:
        self.data = data
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        assert self._process is not None
        self._process.kill()

    def stop(self) -> None:
        assert self._process is not None
        self._process.stop()

    def backup(self) -> Path:
        """A copy of the data as it is now; the server must not run."""
        copy = self.data.with_name("backup")
        shutil.rmtree(copy, ignore_errors=True)
        subprocess.run(["cp", "-a", str(self.data), str(copy)], check=True)
        return copy

    def restore(self, copy: Path) -> None:
        """Put a copy of the data back; the server must not run."""
        shutil.rmtree(self.data)
        subprocess.run(["cp", "-a", str(copy), str(self.data)], check=True)

    def connect(self) -> ldap.ldapobject.SimpleLDAPObject:
        """A connection of python-ldap, bound as the administrator. Unbind it when done."""
        connection = ldap.initialize(self.url)
        connection.simple_bind_s(self.admin_dn, self.admin_password)
        return connection

    @contextmanager
    def session(self) -> Iterator[ldap.ldapobject.SimpleLDAPObject]:
        """A connection for a while."""
        connection = self.connect()
        yield connection
        connection.unbind_s()

    def add(self, dn: str, attributes: Attributes) -> None:
        with self.session() as session:
            session.add_s(dn, ldap.modlist.addModlist({name: values(value) for name, value in attributes.items()}))

    def modify(self, dn: str, attributes: Attributes) -> None:
        """Replace the values of these attributes; an empty list removes one."""
        with self.session() as session:
            session.modify_s(
                dn, [(ldap.MOD_REPLACE, name, values(value) or None) for name, value in attributes.items()]
            )

    def rename(self, dn: str, rdn: str, parent: str | None = None) -> None:
        """Give an entry another name, and move it under another parent if one is given."""
        with self.session() as session:
            session.rename_s(dn, rdn, parent)

    def delete(self, dn: str) -> None:
        with self.session() as session:
            session.delete_s(dn)


def values(value: str | bytes | list[str] | list[bytes]) -> list[bytes]:
    """The values of an attribute, as python-ldap wants them."""
    several = value if isinstance(value, list) else [value]
    return [item.encode() if isinstance(item, str) else item for item in several]
