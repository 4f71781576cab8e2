"""``usersyncd connectors``: the installed connectors."""

from __future__ import annotations

from usersyncd.cli.common import JsonOption, print_json


def connectors(json: JsonOption = False) -> None:
    """Show the installed connectors, and the reason if one cannot be used."""
    from usersyncd import registry

    found = registry.installed()
    if json:
        print_json({"format": 1, "connectors": found})
        return

    from rich.table import Table
    from rich.text import Text

    from usersyncd.cli.text import show

    table = Table("connector", "kind", "package", "version", "", box=None)
    for one in found:
        table.add_row(
            one.name, one.kind, one.distribution, one.version, Text("cannot be used", style="red") if one.error else ""
        )
    show(table)
    for one in found:
        if one.error:
            show(Text(f"\n{one.error}"))
