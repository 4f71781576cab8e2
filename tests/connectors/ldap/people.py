"""People, groups and units of the company on an OpenLDAP or 389 Directory Server, and what is read of them."""

from __future__ import annotations

from tests.connectors.ldap.directory import AnyDirectory, Reads
from tests.servers.slapd import BASE
from usersyncd.plugin import CANONICAL, Kind

PEOPLE, GROUPS = f"ou=people,{BASE}", f"ou=groups,{BASE}"

READS: Reads = {
    Kind.USER: frozenset(CANONICAL[Kind.USER]) - {"id"} | {"mail", "sn", "modifyTimestamp"},
    Kind.GROUP: frozenset({"cn", "description", "mail"}),
}
"""About what is read without rules."""


def person(directory: AnyDirectory, name: str, parent: str = PEOPLE, **attributes: str) -> str:
    dn = f"uid={name},{parent}"
    directory.server.add(dn, {"objectClass": "inetOrgPerson", "uid": name, "cn": name, "sn": name, **attributes})
    return dn


def unit(directory: AnyDirectory, name: str) -> str:
    directory.server.add(f"ou={name},{BASE}", {"objectClass": "organizationalUnit", "ou": name})
    return f"ou={name},{BASE}"


def members(directory: AnyDirectory, group: str, *dns: str) -> None:
    directory.server.modify(f"cn={group},{GROUPS}", {"member": list(dns)})
