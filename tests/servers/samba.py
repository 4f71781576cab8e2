"""A private Active Directory: a Samba domain controller on an address of loopback of its own. Needs root.

Provisioning takes seconds, so it is done once; every server starts from a copy of that tree::

    tree = provision(folder)
    server = Samba.start(tmp_path, tree)
    server.add_user("ada", givenName="Ada")
    server.modify(server.dn("ada"), {"title": "Countess"})
    server.stop()

``sync`` is an account with the right Replicating Directory Changes that also sees what was deleted, ``reader`` an
ordinary one.
"""

from __future__ import annotations

import os
import random
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ldap
import ldap.ldapobject

from tests.servers.ldap_server import Attributes, LdapServer, values
from tests.servers.process import Process, missing, program
from tests.servers.tls import Certificates, certificates

BASE = "DC=corp,DC=example"
REALM = "CORP.EXAMPLE"
PASSWORD = "Passw0rd!"
PACKAGES = "samba samba-ad-dc samba-ad-provision samba-dsdb-modules winbind krb5-user"
GET_CHANGES = "1131f6aa-9c07-11d1-f79f-00c04fc2dcd2"
"""The extended right DS-Replication-Get-Changes."""


def provision(folder: Path) -> Path:
    """A new domain with the accounts; the tree to copy. Without Samba, or root, the test is skipped."""
    program("samba", PACKAGES)
    if os.geteuid() != 0:
        missing("a Samba domain controller must be started by root")
    tree = folder / "tree"
    tool = program("samba-tool", PACKAGES)
    _run(tool, "domain", "provision", f"--targetdir={tree}", "--dns-backend=NONE", f"--realm={REALM}", "--domain=CORP",
         f"--adminpass={PASSWORD}", "--server-role=dc", "--host-name=dc1", "--use-rfc2307")  # fmt: skip
    database = f"--URL={tree}/private/sam.ldb"
    for name in ("sync", "reader"):
        _run(tool, "user", "create", name, PASSWORD, database)
    sid = _sid("sync", database)
    _run(tool, "dsacl", "set", f"--objectdn={BASE}", f"--sddl=(OA;;CR;{GET_CHANGES};;{sid})", database)
    _show_deleted(tree, sid)
    return tree


_GRANT = """
import sys
import ldb
from samba.auth import system_session
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack
from samba.param import LoadParm
from samba.samdb import SamDB

tree, trustee = sys.argv[1:]
settings = LoadParm()
settings.load(f"{tree}/etc/smb.conf")
database = SamDB(url=f"{tree}/private/sam.ldb", session_info=system_session(settings), lp=settings)
name = ldb.Dn(database, f"CN=Deleted Objects,{database.domain_dn()}")
shown = ["show_deleted:1"]
(entry,) = database.search(name, ldb.SCOPE_BASE, attrs=["nTSecurityDescriptor"], controls=shown)
text = ndr_unpack(security.descriptor, entry["nTSecurityDescriptor"][0]).as_sddl()
text = text.replace("(", f"(A;CI;LCRP;;;{trustee})(", 1)
descriptor = security.descriptor.from_sddl(text, security.dom_sid(database.get_domain_sid()))
change = ldb.Message(name)
change["sd"] = ldb.MessageElement(ndr_pack(descriptor), ldb.FLAG_MOD_REPLACE, "nTSecurityDescriptor")
database.modify(change, shown)
"""
"""dsacl does not find what is deleted, so this is done with the modules of Samba's own Python."""


def _show_deleted(tree: Path, trustee: str) -> None:
    _run("/usr/bin/python3", "-c", _GRANT, str(tree), trustee)


_BECOME = """
import sys
import ldb
from samba.auth import system_session
from samba.dcerpc import drsblobs, drsuapi, misc
from samba.ndr import ndr_pack
from samba.param import LoadParm
from samba.samdb import SamDB

tree, own, other, usn = sys.argv[1:]
settings = LoadParm()
settings.load(f"{tree}/etc/smb.conf")
database = SamDB(url=f"{tree}/private/sam.ldb", session_info=system_session(settings), lp=settings)
cursor = drsuapi.DsReplicaCursor2()
cursor.source_dsa_invocation_id, cursor.highest_usn = misc.GUID(other), int(usn)
vector = drsblobs.replUpToDateVectorBlob()
vector.version, vector.ctr = 2, drsblobs.replUpToDateVectorCtr2()
vector.ctr.count, vector.ctr.cursors = 1, [cursor]
for name, attribute, value in (
    (database.get_dsServiceName(), "invocationId", ndr_pack(misc.GUID(own))),
    (database.domain_dn(), "replUpToDateVector", ndr_pack(vector)),
):
    change = ldb.Message(ldb.Dn(database, name))
    change[attribute] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, attribute)
    database.modify(change, ["relax:0"])
"""
"""What replication between two domain controllers leaves."""


def _sid(account: str, database: str) -> str:
    shown = _run("samba-tool", "user", "show", account, "--attributes=objectSid", database)
    return shown.split("objectSid:")[1].split()[0]


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:3])} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


class Samba(LdapServer):
    """A running domain controller. Make one with :meth:`start`."""

    base = BASE
    people = f"CN=Users,{BASE}"
    admin_dn = f"CN=Administrator,CN=Users,{BASE}"
    admin_password = PASSWORD
    sync_dn = f"CN=sync,CN=Users,{BASE}"
    reader_dn = f"CN=reader,CN=Users,{BASE}"
    reader_password = PASSWORD

    def __init__(self, tree: Path, address: str, tls: Certificates) -> None:
        super().__init__(tree)
        self.address, self.tls = address, tls
        self.url = f"ldaps://{address}"
        self._connection: ldap.ldapobject.SimpleLDAPObject | None = None

    @classmethod
    def start(cls, folder: Path, tree: Path) -> Samba:
        """Copy the provisioned ``tree`` into ``folder``, and start a server on the copy."""
        folder.mkdir(parents=True, exist_ok=True)
        own = folder / "samba"
        subprocess.run(["cp", "-a", "--reflink=auto", str(tree), str(own)], check=True)
        configuration = own / "etc/smb.conf"
        configuration.write_text(configuration.read_text().replace(str(tree), str(own)))
        address = f"127.{random.randint(64, 250)}.{random.randint(1, 250)}.{random.randint(2, 250)}"
        server = cls(own, address, certificates(folder / "certificates", names=f"IP:{address}"))
        server.run()
        return server

    def run(self) -> None:
        """Start the server (again, after :meth:`stop` or :meth:`kill`), with its data as it was."""
        options = {
            "server services": "ldap,kdc,cldap",
            "interfaces": f"{self.address}/8",
            "bind interfaces only": "yes",
            "pid directory": str(self.data),
            "tls certfile": str(self.tls.certificate),
            "tls keyfile": str(self.tls.key),
            "tls cafile": str(self.tls.ca),
            "log file": str(self.data / "log"),
        }
        command = [
            program("samba", PACKAGES),
            "-F",
            "--no-process-group",
            "-M",
            "single",
            "-s",
            f"{self.data}/etc/smb.conf",
        ]
        command += [f"--option={name}={value}" for name, value in options.items()]
        self._process = Process(command, self.data / "samba.log", self._answers)

    def kill(self) -> None:
        self._forget()
        super().kill()

    def stop(self) -> None:
        self._forget()
        super().stop()

    def connect(self) -> ldap.ldapobject.SimpleLDAPObject:
        """A connection of python-ldap, bound as the administrator; kept until the server stops."""
        if self._connection is None:
            self._connection = self._bound(self.admin_dn)
        return self._connection

    @contextmanager
    def session(self) -> Iterator[ldap.ldapobject.SimpleLDAPObject]:
        """The connection that is kept."""
        yield self.connect()

    def _bound(self, dn: str) -> ldap.ldapobject.SimpleLDAPObject:
        connection = ldap.initialize(self.url)
        connection.set_option(ldap.OPT_REFERRALS, ldap.OPT_OFF)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 5)
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, str(self.tls.ca))
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        connection.simple_bind_s(dn, PASSWORD)
        return connection

    def _answers(self) -> bool:
        try:
            self._bound(self.admin_dn).unbind_s()
        except (ldap.SERVER_DOWN, ldap.TIMEOUT, ldap.CONNECT_ERROR, ldap.BUSY, ldap.UNAVAILABLE, ldap.OPERATIONS_ERROR):
            return False
        return True

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.unbind_s()
            self._connection = None

    def show_deleted_to_everyone(self) -> None:
        """Let every account read the Deleted Objects container, as an administrator may do by dsacls."""
        self.stop()
        _show_deleted(self.data, "AU")
        self.run()

    def hide(self, dn: str, properties: str, account: str) -> None:
        """Let an account not read a property set (its GUID) of an entry any more."""
        self.stop()
        tool, database = program("samba-tool", PACKAGES), f"--URL={self.data}/private/sam.ldb"
        denied = f"--sddl=(OD;;RP;{properties};;{_sid(account, database)})"
        _run(tool, "dsacl", "set", f"--objectdn={dn}", denied, database)
        self.run()

    def become_another(self, invocation: str, usn: int) -> None:
        """Be a controller of its own, which has all changes of the one with this invocationId up to this count."""
        self.stop()
        _run("/usr/bin/python3", "-c", _BECOME, str(self.data), str(uuid.uuid4()), invocation, str(usn))
        self.run()

    def dn(self, name: str, parent: str = people) -> str:
        return f"CN={name},{parent}"

    def add_user(self, name: str, parent: str = people, **attributes: str | bytes | list[str] | list[bytes]) -> str:
        """An enabled user; returns the DN."""
        usual: Attributes = {"objectClass": "user", "sAMAccountName": name, "userAccountControl": "544"}
        dn = self.dn(ldap.dn.escape_dn_chars(name), parent)
        self.add(dn, {**usual, **attributes})
        return dn

    def add_group(self, name: str, members: list[str] = [], parent: str = people, **attributes: str) -> str:  # noqa: B006
        """A group; returns the DN. ``members`` are DNs."""
        dn = self.dn(ldap.dn.escape_dn_chars(name), parent)
        has = {"member": members} if members else {}
        self.add(dn, {"objectClass": "group", "sAMAccountName": name, **has, **attributes})
        return dn

    def add_unit(self, name: str, parent: str = BASE) -> str:
        """An organizational unit; returns the DN."""
        self.add(f"OU={name},{parent}", {"objectClass": "organizationalUnit"})
        return f"OU={name},{parent}"

    def link(self, group: str, *members: str) -> None:
        self.connect().modify_s(group, [(ldap.MOD_ADD, "member", values(list(members)))])

    def unlink(self, group: str, *members: str) -> None:
        self.connect().modify_s(group, [(ldap.MOD_DELETE, "member", values(list(members)))])
