"""A private OpenLDAP server: loaded from LDIF, on loopback, on free ports, in a folder of its own.

::

    server = Slapd.start(tmp_path, company(people=200, groups=10, memberships=900))
    server.url, server.base, server.reader_dn, server.reader_password      # what a configuration needs
    server.modify("uid=u7,ou=people,dc=acme,dc=example", {"title": "Doctor"})
    server.stop()

The reader is an ordinary account (the server's limits hold for it); the admin is slapd's rootdn, for which they do not.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from tests.servers.ldap_server import LdapServer
from tests.servers.process import Process, free_port, listens, program
from tests.servers.tls import Certificates

BASE = "dc=acme,dc=example"
READER = f"cn=reader,{BASE}"
SKELETON = f"""\
dn: {BASE}
objectClass: dcObject
objectClass: organization
dc: acme
o: Acme

dn: {READER}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: reader-secret

dn: ou=people,{BASE}
objectClass: organizationalUnit
ou: people

dn: ou=groups,{BASE}
objectClass: organizationalUnit
ou: groups

"""
"""The entries that every server has; :meth:`Slapd.start` loads them before the LDIF that it is given."""

UNLIMITED = "size=unlimited size.prtotal=unlimited time=unlimited"
SCHEMAS = ("core", "cosine", "inetorgperson", "nis")

DYNLIST = "overlay dynlist"
"""With this among the lines of a database, its module and schema are loaded."""

Changes = Literal["", "present", "session", "accesslog"]
SYNCPROV: Mapping[Changes, str] = {
    "": "",
    "present": "overlay syncprov\n",
    "session": "overlay syncprov\nsyncprov-sessionlog 100000\n",
    "accesslog": "overlay syncprov\nsyncprov-sessionlog-source cn=log\n"
    "overlay accesslog\nlogdb cn=log\nlogops writes\nlogsuccess TRUE\n",
}
LOG = """\
database mdb
suffix cn=log
rootdn cn=log
directory {folder}/log
maxsize {size}
dbnosync
index entryCSN,objectClass,reqStart,reqEnd,reqResult eq
access to * by * read
"""


class Slapd(LdapServer):
    """A running slapd. Make one with :meth:`start`."""

    base = BASE
    admin_dn = f"cn=admin,{BASE}"
    admin_password = "admin-secret"
    reader_dn = READER
    reader_password = "reader-secret"

    def __init__(self, slapd: str, folder: Path, port: int, tls_port: int | None) -> None:
        super().__init__(folder / "db")
        self._slapd = slapd
        self.folder = folder
        self.url = f"ldap://127.0.0.1:{port}"
        self.ldaps_url = f"ldaps://127.0.0.1:{tls_port}"
        self.ldapi_url = f"ldapi://{quote(str(folder / 'socket'), safe='')}"
        self._port, self._tls_port = port, tls_port

    @classmethod
    def start(
        cls,
        folder: Path,
        ldif: Iterable[str] = (),
        *,
        limits: str = "",
        database: str = "",
        tls: Certificates | None = None,
        megabytes: int = 256,
        changes: Changes = "",
        log_kilobytes: int = 256 * 1024,
    ) -> Slapd:
        """Load the skeleton and ``ldif`` (pieces of text) and start the server.

        ``limits`` is what the reader may take, as in slapd.conf's ``limits`` (``"size.prtotal=50"``; empty: no limit);
        ``database`` are more lines of slapd.conf for the database. With ``tls``, StartTLS and ``ldaps_url`` work.
        ``megabytes`` is the most that the database may grow to. ``changes`` is how syncrepl knows what was deleted: not
        at all (``present``), from the log of this session, or from one that outlives it (``accesslog``); empty: without
        syncrepl. ``log_kilobytes`` is the most that the accesslog may grow to. Without slapd installed the test is
        skipped.
        """
        slapd, slapadd = program("slapd", "slapd"), program("slapadd", "slapd")
        folder = folder.resolve()
        (folder / "db").mkdir(parents=True)
        (folder / "log").mkdir()
        server = cls(slapd, folder, free_port(), free_port() if tls else None)
        (folder / "slapd.conf").write_text(
            server._configuration(limits or UNLIMITED, database, tls, megabytes, changes, log_kilobytes)
        )
        loader = subprocess.Popen(
            [slapadd, "-q", "-w", "-b", BASE, "-f", str(folder / "slapd.conf")],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        assert loader.stdin is not None
        assert loader.stderr is not None
        with loader.stdin as out:
            out.write(SKELETON)
            for piece in ldif:
                out.write(piece)
        problems = loader.stderr.read()
        if loader.wait() != 0:
            raise RuntimeError(f"slapadd failed:\n{problems}")
        server.run()
        return server

    def _configuration(
        self, limits: str, database: str, tls: Certificates | None, megabytes: int, changes: Changes, log_kilobytes: int
    ) -> str:
        secure = ""
        if tls:
            secure = f"TLSCertificateFile {tls.certificate}\nTLSCertificateKeyFile {tls.key}\n"
            secure += f"TLSCACertificateFile {tls.ca}\nTLSVerifyClient try\n"
        names = (*SCHEMAS, "dyngroup") if DYNLIST in database else SCHEMAS
        schemas = "".join(f"include /etc/ldap/schema/{name}.schema\n" for name in names)
        modules = "moduleload dynlist\n" if DYNLIST in database else ""
        log = LOG.format(folder=self.folder, size=log_kilobytes * 1024) if changes == "accesslog" else ""
        return f"""\
{schemas}modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
moduleload accesslog
{modules}pidfile {self.folder}/slapd.pid
authz-regexp "^cn=sync$" "{READER}"
authz-regexp "cn=peercred,cn=external,cn=auth" "{READER}"
{secure}{log}database mdb
suffix "{BASE}"
rootdn "{self.admin_dn}"
rootpw {self.admin_password}
directory {self.folder}/db
maxsize {megabytes * 1024 * 1024}
dbnosync
index objectClass,entryUUID,entryCSN,uid eq
limits dn.exact="{READER}" {limits}
{database}
access to attrs=userPassword by anonymous auth by * none
access to * by * read
{SYNCPROV[changes]}"""

    def run(self) -> None:
        """Start the server (again, after :meth:`stop` or :meth:`kill`), on the same ports, with its data as it was."""
        urls = f"{self.url}/ {self.ldapi_url}" + (f" {self.ldaps_url}/" if self._tls_port else "")
        command = [self._slapd, "-d", "0", "-f", str(self.folder / "slapd.conf"), "-h", urls]
        self._process = Process(command, self.folder / "slapd.log", lambda: listens(self._port))


def company(people: int, groups: int, memberships: int) -> Iterator[str]:
    """LDIF of a company, always the same for the same numbers: people ``uid=u0…,ou=people`` and groups
    ``cn=g0…,ou=groups`` (groupOfNames).

    Every person has a manager but the first; the memberships are spread evenly, and no pair comes twice.
    """
    for n in range(people):
        yield person(n)
    for g in range(groups):
        count = memberships // groups + (g < memberships % groups)
        members = "".join(f"member: uid=u{(g * 7919 + m) % people},ou=people,{BASE}\n" for m in range(count))
        members = members or "member: cn=placeholder\n"
        yield (
            f"dn: cn=g{g},ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: g{g}\n"
            f"description: Everyone who belongs to group number {g}\n{members}\n"
        )


GIVEN = ("Ada", "Zoë", "Søren", "José", "Łukasz", "Дмитрий", "Ἑλένη", "美咲", "Grace", "Alan")
FAMILY = ("Lovelace", "Müller", "Ångström", "O'Neil", "Иванова", "Παππά", "佐藤", "Hopper", "Turing", "van der Berg")


def person(n: int) -> str:
    """LDIF of one inetOrgPerson with twenty attributes that a pull may ask for, entryUUID and timestamps included."""
    given, family = GIVEN[n % 10], FAMILY[n // 10 % 10]
    manager = f"manager: uid=u{n // 10},ou=people,{BASE}\n" if n else ""
    return f"""\
dn: uid=u{n},ou=people,{BASE}
objectClass: inetOrgPerson
uid: u{n}
cn: {given} {family}
givenName: {given}
sn: {family}
displayName: {given} {family} ({n})
mail: u{n}@acme.example
title: Engineer {n % 40}
departmentNumber: D{n % 50}
o: Acme
employeeNumber: {100000 + n}
employeeType: {"contractor" if n % 20 == 0 else "employee"}
preferredLanguage: {"en" if n % 3 else "de"}
telephoneNumber: +49 30 {n:07}
mobile: +49 151 {n:07}
l: Berlin
roomNumber: {n % 900}
description: Person number {n} of the company
{manager}
"""
