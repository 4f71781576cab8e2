"""Decodes Active Directory's values: identifiers, dates, flags and extended DNs."""

from __future__ import annotations

import re
import struct
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from usersyncd.errors import SourceError
from usersyncd.plugin import Value

EXTENDED = re.compile(r"<GUID=([0-9A-Fa-f-]{36})>;(?:<SID=([^>]*)>;)?(.*)", re.DOTALL)
"""An extended DN (MS-ADTS, section 3.1.1.3.4.1.5, in its string form): GUID, SID if present, DN."""

DISABLED = 0x2
"""ADS_UF_ACCOUNTDISABLE of userAccountControl."""

ACCOUNT_RESTRICTIONS = "“Account Restrictions” (User-Account-Restrictions)"
GENERAL_INFORMATION = "“General Information” (General-Information)"
"""Property sets on which rights are granted: their names in the dialogs and in the schema."""

EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
NEVER = frozenset({0, 0x7FFF_FFFF_FFFF_FFFF})
"""The two values of accountExpires for an account that does not expire."""


def guid(value: bytes) -> str:
    """objectGUID as text, as administrators know it. The first three fields are little-endian."""
    return str(uuid.UUID(bytes_le=value))


def guid_filter(text: str) -> str:
    """The filter for this GUID, with its bytes in the stored order."""
    return "(objectGUID=" + "".join(f"\\{byte:02x}" for byte in uuid.UUID(text).bytes_le) + ")"


def guid_and_sid(dn: str) -> tuple[str, str]:
    """GUID and SID (empty: none) of an extended DN. Raises SourceError for any other text."""
    match = EXTENDED.fullmatch(dn)
    if match is None:
        raise SourceError(
            f"the domain controller sent {dn} without its GUID",
            "check whether a proxy removes the extended DN control (1.2.840.113556.1.4.529)",
        )
    return match[1].lower(), match[2] or ""


def sid(value: bytes) -> str:
    """objectSid as text (MS-DTYP, section 2.4.2)."""
    authorities = struct.unpack(f"<{value[1]}I", value[8 : 8 + 4 * value[1]])
    return "-".join(map(str, ("S", value[0], int.from_bytes(value[2:8], "big"), *authorities)))


def sid_of_primary_group(user_sid: str, rid: str) -> str:
    """The SID of a user's primary group, which is always in the user's domain."""
    return f"{user_sid.rpartition('-')[0]}-{rid}"


DOMAIN_USERS = "513"
"""The relative id of the default primary group."""


def is_active(value: Value) -> Value:
    """Whether an account is active, from userAccountControl."""
    return not int(value) & DISABLED if isinstance(value, str) else None


def valid_until(value: Value) -> Value:
    """The expiry of an account in ISO 8601, from accountExpires, which counts units of 100 ns since 1601. None: never,
    or later than dates can represent."""
    ticks = int(value) if isinstance(value, str) else 0
    if ticks in NEVER:
        return None
    try:
        moment = EPOCH + timedelta(seconds=ticks // 10_000_000)
    except OverflowError:
        return None
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def plain(dn: str) -> str:
    """The DN within an extended DN; any other text unchanged."""
    match = EXTENDED.fullmatch(dn)
    return match[3] if match else dn


def reference(value: Value) -> Value:
    """The GUID of the object to which an attribute refers; it does not change when that object is renamed."""
    first = value[0] if isinstance(value, list) else value
    match = EXTENDED.fullmatch(str(first))
    return match[1].lower() if match else first


def references(values: Sequence[bytes]) -> frozenset[str]:
    """The GUIDs in many extended DNs."""
    return frozenset(value[6:42].decode().lower() for value in values)
