"""Reads a server's newest changes, so that a lagging replica can be recognised.

OpenLDAP has each server's newest change number in contextCSN of the suffix, 389 Directory Server in the replica update
vector of the suffix. A domain controller has its own change count, and those of the others in replUpToDateVector of the
domain.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence

from usersyncd.errors import SourceError
from usersyncd_ldap import ad
from usersyncd_ldap.position import Counts, Position
from usersyncd_ldap.rootdse import Product, RootDse
from usersyncd_ldap.session import Session


def position(session: Session) -> Position | None:
    """The server's current position. None: it does not report it, or not to this account."""
    find = _KINDS.get(session.root.product)
    if find is None:
        return None
    try:
        identity, counts = find(session)
    except (struct.error, UnicodeDecodeError):
        return None
    reported = {suffix: found for suffix, found in counts.items() if found}
    return Position(session.server.url, identity, reported) if reported else None


def is_behind(session: Session, reached: Position) -> bool:
    """Whether this is another server than the one that was read last, and lacks its changes. Logs a warning then."""
    url, here = session.server.url, position(session)
    if here is None or not here.comparable_with(reached):
        if url != reached.url:
            session.log.warning(
                "cannot determine whether this server has all changes of another one",
                event_name="ldap.replica_unknown",
                server=url,
                other=reached.url,
                remedy=f"grant the account the right to read {TELLS.get(session.root.product, '')}",
            )
        return False
    if not here.is_before(reached):
        return False
    session.log.warning(
        "this server lacks changes of another one: it is not read",
        event_name="ldap.replica_behind",
        server=url,
        other=reached.url,
    )
    return True


def no_current_server(reached: Position) -> SourceError:
    """The error when all available servers lack changes of the one that was read last."""
    return SourceError(
        f"no available server has all changes of {reached.url}: deleted entries would come back, and new ones would "
        "count as deleted, so nothing was read",
        f"the next run tries again; if {reached.url} is lost permanently, remove it from the option url",
    )


_CSN = re.compile(r"(\d{14}[^#]*#[^#]*#([^#]*)#[^;,]*)")
"""A CSN of OpenLDAP, which begins with its time, and the number of its server."""


def csns(texts: Iterable[str]) -> Counts:
    """The newest CSN of each server."""
    return {server: csn for text in texts for csn, server in _CSN.findall(text)}


def _openldap(session: Session) -> tuple[str, Mapping[str, Counts]]:
    return "", {suffix: csns(_texts(session, suffix, "contextCSN")) for suffix in session.suffixes}


_ELEMENT = re.compile(r"\{(replicageneration|replica \d+)[^}]*\}(?: [0-9a-f]{20})? ([0-9a-f]{20})")
"""In nsds50ruv: the start of replication, and each replica with its first and newest change."""
_RUV = "(&(objectClass=nsTombstone)(nsUniqueId=ffffffff-ffffffff-ffffffff-ffffffff))"
"""The entry with the replica update vector, which every replicated suffix has."""


def _ds389(session: Session) -> tuple[str, Mapping[str, Counts]]:
    counts: dict[str, Counts] = {}
    for suffix in session.suffixes:
        entries = session.server.find(suffix, _RUV, ["nsds50ruv"])
        texts = [value.decode() for _, entry in entries for values in entry.values() for value in values]
        counts[suffix] = {found[1]: found[2] for text in texts if (found := _ELEMENT.match(text))}
    return "", counts


def _active_directory(session: Session) -> tuple[str, Mapping[str, Counts]]:
    own, now = invocation(session), RootDse(session.server.read("", ["highestCommittedUSN"]))
    count = now.text("highestCommittedUSN")
    if own is None or not count:
        return "", {}
    domain = session.root.text("defaultNamingContext")
    vector = _values(session, domain, "replUpToDateVector")
    return own, {domain: {**(up_to_date(vector[0]) if vector else {}), own: _padded(int(count))}}


def invocation(session: Session) -> str | None:
    """The invocationId of a domain controller's database, which changes after a proper restore."""
    service = session.root.text("dsServiceName")
    found = _values(session, service, "invocationId") if service else ()
    return ad.guid(found[0]) if found else None


def up_to_date(vector: bytes) -> Counts:
    """Server -> the change up to which all its changes are present, from an UPTODATE_VECTOR_V1_EXT or V2_EXT
    (MS-DRSR)."""
    version, _, count, _ = struct.unpack_from("<IIII", vector)
    size = 24 if version == 1 else 32
    cursors = (struct.unpack_from("<16sQ", vector, 16 + number * size) for number in range(count))
    return {ad.guid(server): _padded(usn) for server, usn in cursors}


def _padded(usn: int) -> str:
    return f"{usn:020}"


def _texts(session: Session, dn: str, attribute: str) -> Sequence[str]:
    return [value.decode() for value in _values(session, dn, attribute)]


def _values(session: Session, dn: str, attribute: str) -> Sequence[bytes]:
    """The values; empty when the entry or attribute does not exist or is hidden from the account."""
    try:
        entry = session.server.read(dn, [attribute])
    except SourceError:
        return ()
    return next((values for name, values in entry.items() if name.lower() == attribute.lower()), ())


TELLS: Mapping[Product, str] = {
    Product.OPENLDAP: "contextCSN of the suffix",
    Product.DS389: "nsds50ruv of the replica, below cn=mapping tree,cn=config",
    Product.ACTIVE_DIRECTORY: "replUpToDateVector of the domain",
}
"""The attributes that the account must be allowed to read."""

_KINDS: Mapping[Product, Callable[[Session], tuple[str, Mapping[str, Counts]]]] = {
    Product.OPENLDAP: _openldap,
    Product.DS389: _ds389,
    Product.ACTIVE_DIRECTORY: _active_directory,
}
