"""A private 389 Directory Server: on loopback, on a free port, with syncrepl and the changelog that it needs.

An instance takes seconds to make, so it is made once; every server starts from a copy of it::

    tree = create(folder)
    server = Ds389.start(tmp_path, tree)
    server.load(company(people=40, groups=4, memberships=30))
    server.modify("uid=u1,ou=people,dc=acme,dc=example", {"title": "Doctor"})
    server.stop()

The reader is an ordinary account that may read everything below the base; the admin is the Directory Manager.
"""

from __future__ import annotations

import io
import os
import pwd
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ldap.modlist
import ldif

from tests.servers.ldap_server import Attributes, LdapServer
from tests.servers.process import Process, free_port, listens, missing, program
from tests.servers.slapd import BASE, SKELETON

PACKAGE = "389-ds-base"
USER = "dirsrv"
NAME = "test"
ADMIN_PASSWORD = "admin-secret"

INSTANCE = f"""\
[general]
full_machine_name = localhost
start = False
strict_host_checking = False

[slapd]
instance_name = {NAME}
port = {{port}}
self_sign_cert = False
root_password = {ADMIN_PASSWORD}

[backend-userroot]
suffix = {BASE}
create_suffix_entry = True
"""

READABLE = (
    f'(targetattr="*")(version 3.0; acl "reader"; allow (read,search,compare) userdn="ldap:///cn=reader,{BASE}";)'
)

REPLICA_READABLE = (
    '(target="ldap:///cn=replica,cn=*,cn=mapping tree,cn=config")(targetattr="objectClass || nsUniqueId || nsds50ruv")'
    f'(version 3.0; acl "replicas"; allow (read,search) userdn="ldap:///cn=reader,{BASE}";)'
)


def create(folder: Path) -> Path:
    """A new instance, without entries; the tree to copy. Without 389-ds, or root, the test is skipped."""
    program("ns-slapd", PACKAGE)
    tool = program("dscreate", PACKAGE)
    if os.geteuid() != 0:
        missing("a 389 Directory Server is made by root")
    tree, tools = folder / "tree", folder / "bin"
    for place in (tree, tools):
        place.mkdir()
    (folder / "instance.inf").write_text(INSTANCE.format(port=free_port()))
    _give(folder)
    env = {**os.environ, "HOME": str(folder), "PATH": f"{tools}:{os.environ['PATH']}:/usr/sbin"}
    for command in ([tool, "ds-root", str(tree), str(tools)], ["dscreate", "from-file", str(folder / "instance.inf")]):
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, cwd=folder, **_as_user())
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command[:2])} failed:\n{done.stdout}{done.stderr}")
    settings = _settings(tree)
    text = settings.read_text()
    for plugin in ("Content Synchronization", "Retro Changelog Plugin"):
        text = re.sub(rf"(dn: cn={plugin},cn=plugins,cn=config\n(?:.+\n)*?nsslapd-pluginEnabled: )off", r"\1on", text)
    text = text.replace(
        "cn: Retro Changelog Plugin\n", "cn: Retro Changelog Plugin\nnsslapd-attribute: nsuniqueid:targetUniqueId\n"
    )
    settings.write_text(text)
    return tree


def _as_user() -> dict[str, Any]:
    user = pwd.getpwnam(USER)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _give(folder: Path) -> None:
    """Let the server's user own a folder, and walk to it."""
    user = pwd.getpwnam(USER)
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    for parent in folder.parents:
        if parent.stat().st_mode & 0o001 == 0:
            parent.chmod(parent.stat().st_mode | 0o011)


def _settings(tree: Path) -> Path:
    return tree / f"etc/dirsrv/slapd-{NAME}/dse.ldif"


class Ds389(LdapServer):
    """A running server. Make one with :meth:`start`."""

    base = BASE
    admin_dn = "cn=Directory Manager"
    admin_password = ADMIN_PASSWORD
    reader_dn = f"cn=reader,{BASE}"
    reader_password = "reader-secret"

    def __init__(self, tree: Path, port: int) -> None:
        super().__init__(tree)
        self.port = port
        self.url = f"ldap://127.0.0.1:{port}"

    @classmethod
    def start(cls, folder: Path, tree: Path) -> Ds389:
        """Copy the ``tree`` into ``folder``, and start a server on the copy, with the entries that every one has."""
        server = cls.copied(folder, tree)
        server.load([SKELETON.partition("\n\n")[2]])  # the base is there
        server.modify(BASE, {"aci": READABLE})
        return server

    @classmethod
    def copied(cls, folder: Path, tree: Path) -> Ds389:
        """A server on a copy of the ``tree``, which may be the data of another one that does not run."""
        own = folder / "ds389"
        subprocess.run(["cp", "-a", "--reflink=auto", str(tree), str(own)], check=True)
        port = free_port()
        text = _settings(own).read_text().replace(str(tree), str(own))
        _settings(own).write_text(re.sub(r"nsslapd-port: \d+", f"nsslapd-port: {port}", text))
        _give(own)
        server = cls(own, port)
        server.run()
        return server

    def run(self) -> None:
        """Start the server (again, after :meth:`stop` or :meth:`kill`) on the same port, with its data as it was."""
        folder = _settings(self.data).parent
        pid = self.data / "run/pid"
        command = [program("ns-slapd", PACKAGE), "-d", "0", "-D", str(folder), "-i", str(pid)]
        self._process = Process(command, self.data / "log", lambda: listens(self.port), cwd=self.data, **_as_user())

    def configure(self, dn: str, attributes: Attributes) -> None:
        """Change settings, and restart the server."""
        self.modify(dn, attributes)
        self.stop()
        self.run()

    def replicate(self) -> None:
        """Count changes as a supplier, and let the reader read how far it is."""
        replica: Attributes = {
            "objectClass": ["nsds5Replica", "extensibleObject"], "nsDS5ReplicaRoot": BASE, "nsDS5ReplicaType": "3",
            "nsDS5Flags": "1", "nsDS5ReplicaId": "1", "nsDS5ReplicaBindDN": "cn=replication manager,cn=config",
        }  # fmt: skip
        self.add(f'cn=replica,cn="{BASE}",cn=mapping tree,cn=config', replica)
        self.modify("cn=mapping tree,cn=config", {"aci": REPLICA_READABLE})

    def load(self, pieces: Iterable[str]) -> None:
        """Add the entries of pieces of LDIF, one by one."""
        records = ldif.LDIFRecordList(io.BytesIO("".join(pieces).encode()))
        records.parse_entry_records()
        with self.session() as session:
            for dn, entry in records.all_records:
                session.add_s(dn, ldap.modlist.addModlist(entry))
