"""A tenant in a fake of Graph, the options for it, and the expected content of a pull."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.fakes.graph import CLIENT, SECRET, TENANT, Graph, Tenant
from usersyncd.plugin import Kind
from usersyncd.testing import DirectoryContent, Log, source_context
from usersyncd_entra import EntraSource

READS: Mapping[Kind, frozenset[str] | None] = {
    Kind.USER: frozenset(
        {"displayName", "mail", "userPrincipalName", "accountEnabled", "userType", "manager", "extensionAttribute1"}
    ),
    Kind.GROUP: frozenset({"displayName", "description"}),
}


def options_of(graph: Graph, folder: Path) -> dict[str, Any]:
    """Options as an admin would write them; the secret is in ``folder``."""
    (folder / "secret").write_text(SECRET)
    (folder / "secret").chmod(0o600)
    return {
        "tenant": TENANT,
        "client_id": CLIENT,
        "client_secret": {"file": "secret"},
        "endpoints": {"login": graph.url, "graph": graph.url},
    }


def source_of(
    graph: Graph,
    folder: Path,
    *,
    reads: Mapping[Kind, frozenset[str] | None] | None = READS,
    log: Log | None = None,
    **more: Any,
) -> EntraSource:
    """A new source, as in every run."""
    options = EntraSource.Options.model_validate({**options_of(graph, folder), **more})
    return EntraSource(options, source_context(folder, reads=reads, log=log))  # type: ignore[arg-type]


def should_hold(tenant: Tenant) -> DirectoryContent:
    """The expected content of a pull with READS."""
    listing = DirectoryContent()
    for kind, objects in ((Kind.USER, tenant.users), (Kind.GROUP, tenant.groups)):
        for identifier, props in objects.items():
            flat = {**props, **(props.get("onPremisesExtensionAttributes") or {})}
            if kind is Kind.USER:
                flat["manager"] = tenant.managers.get(identifier)
            reads = READS[kind] or frozenset()
            listing.records[kind, identifier] = {
                name: value for name, value in flat.items() if name in reads and value is not None
            }
    listing.edges = set(tenant.edges())
    return listing


def same(pulled: DirectoryContent, tenant: Tenant) -> bool:
    """Whether a pull equals the tenant. Memberships of missing records are ignored on both sides."""
    wanted = should_hold(tenant)
    there = {identifier for _, identifier in wanted.records}
    edges = {(group, member) for group, member in pulled.edges if member in there and group in there}
    return pulled.records == wanted.records and edges == wanted.edges
