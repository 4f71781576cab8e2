"""How each kind of server tells how far it is, so that a replica that is behind can be recognised.

OpenLDAP has the number of the newest change of each server in contextCSN of the suffix, 389 Directory Server in the
replica update vector of the suffix. A domain controller has its own count of changes, and in replUpToDateVector of the
domain up to which count it has those of the others.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence

from usersyncd.errors import SourceError
from usersyncd_ldap import ad
from usersyncd_ldap.position import Counts, Position
from usersyncd_ldap.reading import Reading
from usersyncd_ldap.rootdse import Product, RootDse


def position(reading: Reading) -> Position | None:
    """How far the server is now. None: it does not tell, or not to this account."""
    find = _KINDS.get(reading.root.product)
    if find is None:
        return None
    try:
        identity, counts = find(reading)
    except (struct.error, UnicodeDecodeError):
        return None
    told = {suffix: found for suffix, found in counts.items() if found}
    return Position(reading.server.url, identity, told) if told else None


def is_behind(reading: Reading, reached: Position) -> bool:
    """Whether this is another server than the one that was read last, and lacks what that one had. The log says so."""
    url, here = reading.server.url, position(reading)
    if here is None or not here.can_tell(reached):
        if url != reached.url:
            reading.log.warning(
                "it cannot be told whether this server has everything that another one told",
                event_name="ldap.replica_unknown",
                server=url,
                other=reached.url,
                remedy=f"let the account read {TELLS.get(reading.root.product, '')}",
            )
        return False
    if not here.is_before(reached):
        return False
    reading.log.warning(
        "this server does not have yet what another one told: it is not read",
        event_name="ldap.replica_behind",
        server=url,
        other=reached.url,
    )
    return True


def behind(reached: Position) -> SourceError:
    """No server that answers is as far as the one that was read last."""
    return SourceError(
        f"no server that answers has everything that {reached.url} told last: they would bring back who left, and take "
        "for gone who came, so nothing was read",
        f"the next run asks again; if {reached.url} is lost for good, take it out of the option url",
    )


_CSN = re.compile(r"(\d{14}[^#]*#[^#]*#([^#]*)#[^;,]*)")
"""A CSN of OpenLDAP, which begins with its time, and the number of the server that made it."""


def csns(texts: Iterable[str]) -> Counts:
    """The newest CSN of each server."""
    return {server: csn for text in texts for csn, server in _CSN.findall(text)}


def _openldap(reading: Reading) -> tuple[str, Mapping[str, Counts]]:
    return "", {suffix: csns(_texts(reading, suffix, "contextCSN")) for suffix in reading.suffixes}


_ELEMENT = re.compile(r"\{(replicageneration|replica \d+)[^}]*\}(?: [0-9a-f]{20})? ([0-9a-f]{20})")
"""In nsds50ruv: since when the suffix is replicated, and each replica with its first change and its newest one."""
_RUV = "(&(objectClass=nsTombstone)(nsUniqueId=ffffffff-ffffffff-ffffffff-ffffffff))"
"""The entry with the replica update vector, which is in every suffix that is replicated."""


def _ds389(reading: Reading) -> tuple[str, Mapping[str, Counts]]:
    counts: dict[str, Counts] = {}
    for suffix in reading.suffixes:
        entries = reading.server.find(suffix, _RUV, ["nsds50ruv"])
        texts = [value.decode() for _, entry in entries for values in entry.values() for value in values]
        counts[suffix] = {found[1]: found[2] for text in texts if (found := _ELEMENT.match(text))}
    return "", counts


def _active_directory(reading: Reading) -> tuple[str, Mapping[str, Counts]]:
    own, now = invocation(reading), RootDse(reading.server.read("", ["highestCommittedUSN"]))
    count = now.text("highestCommittedUSN")
    if own is None or not count:
        return "", {}
    domain = reading.root.text("defaultNamingContext")
    vector = _values(reading, domain, "replUpToDateVector")
    return own, {domain: {**(up_to_date(vector[0]) if vector else {}), own: _padded(int(count))}}


def invocation(reading: Reading) -> str | None:
    """The invocationId of a domain controller's database: another one after it was restored as it should be."""
    service = reading.root.text("dsServiceName")
    found = _values(reading, service, "invocationId") if service else ()
    return ad.guid(found[0]) if found else None


def up_to_date(vector: bytes) -> Counts:
    """Up to which change of each server everything is there, from an UPTODATE_VECTOR_V1_EXT or V2_EXT (MS-DRSR)."""
    version, _, count, _ = struct.unpack_from("<IIII", vector)
    size = 24 if version == 1 else 32
    cursors = (struct.unpack_from("<16sQ", vector, 16 + number * size) for number in range(count))
    return {ad.guid(server): _padded(usn) for server, usn in cursors}


def _padded(usn: int) -> str:
    return f"{usn:020}"


def _texts(reading: Reading, dn: str, attribute: str) -> Sequence[str]:
    return [value.decode() for value in _values(reading, dn, attribute)]


def _values(reading: Reading, dn: str, attribute: str) -> Sequence[bytes]:
    """Empty when there is no such entry or attribute, or none that we may see."""
    try:
        entry = reading.server.read(dn, [attribute])
    except SourceError:
        return ()
    return next((values for name, values in entry.items() if name.lower() == attribute.lower()), ())


TELLS: Mapping[Product, str] = {
    Product.OPENLDAP: "contextCSN of the suffix",
    Product.DS389: "nsds50ruv of the replica, below cn=mapping tree,cn=config",
    Product.ACTIVE_DIRECTORY: "replUpToDateVector of the domain",
}
"""What the account must be allowed to read."""

_KINDS: Mapping[Product, Callable[[Reading], tuple[str, Mapping[str, Counts]]]] = {
    Product.OPENLDAP: _openldap,
    Product.DS389: _ds389,
    Product.ACTIVE_DIRECTORY: _active_directory,
}
