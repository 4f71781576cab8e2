"""Describes a tenant for ``check``."""

from __future__ import annotations

from collections.abc import Sequence

from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, many, quoted
from usersyncd_entra.client import Graph
from usersyncd_entra.faults import Forbidden, missing_permission
from usersyncd_entra.mapping import HIDDEN, PERMISSIONS
from usersyncd_entra.options import EntraOptions

WAYS = {
    "client_secret": "a client secret",
    "certificate": "a certificate",
    "workload_identity": "the token of a workload identity",
    "managed_identity": "the managed identity of this machine",
}


async def describe(graph: Graph, options: EntraOptions) -> Sequence[str]:
    """Lines for ``usersyncd check --online``. Raises SourceError that names each missing permission."""
    await graph.signin.token()
    granted = graph.signin.permissions
    way = next(text for name, text in WAYS.items() if getattr(options, name) is not None)
    who = f"application {options.client_id}" if options.client_id else "managed identity"
    lines = [
        f"tenant {options.tenant}{await _name(graph)}, at {options.graph}",
        f"signed in as {who}, with {way}",
    ]
    if granted is not None:
        lines.append(f"permissions: {', '.join(sorted(granted)) or 'none'}")
    counts = {}
    lacks: dict[str, str] = {}
    for kind, path in ((Kind.USER, "users"), (Kind.GROUP, "groups")):
        try:
            counts[path] = await graph.count(path)
        except Forbidden as error:
            lacks[PERMISSIONS[kind]] = error.message.removeprefix("Microsoft Graph refuses: ")
    if options.groups.hidden and granted is not None and HIDDEN not in granted:
        lacks[HIDDEN] = "the hidden members of groups may not be read"
    if lacks:
        raise missing_permission(", ".join(lacks), options.client_id, "; ".join(lacks.values()))
    lines.append(f"the tenant has {many(counts['users'], 'user')} and {many(counts['groups'], 'group')}")
    lines += _reads(options)
    return lines


async def _name(graph: Graph) -> str:
    """The tenant's name, if it may be read: the permissions that usersyncd requires do not include it."""
    try:
        response = await graph.get(graph.address("organization", select="displayName"))
        return f" ({quoted(response.json()['value'][0]['displayName'], 100)})"
    except (SourceError, ValueError, LookupError, TypeError, AttributeError):
        return ""


def _reads(options: EntraOptions) -> list[str]:
    """The conditions in the options."""
    users, groups = options.users, options.groups
    lines = []
    if users.filter:
        lines.append(f"users: only where {users.filter}")
    if users.members_of:
        lines.append(f"users: only members of {', '.join(users.members_of)}")
    if groups.filter:
        lines.append(f"groups: only where {groups.filter}")
    if users.narrowed or groups.narrowed:
        lines.append("every pull is complete: delta queries do not support such conditions")
    return lines
