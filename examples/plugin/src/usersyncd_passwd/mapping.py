"""The native attribute for each canonical one. Attributes not listed have the same name, or do not exist."""

from __future__ import annotations

from collections.abc import Mapping

from usersyncd.plugin import Kind

MAPPING: Mapping[Kind, Mapping[str, str]] = {
    Kind.USER: {
        "userName": "login",
        "displayName": "fullName",
        "phone": "workPhone",
        # An expression (CEL) over the native attributes, where a name is not enough.
        "active": '!(raw.shell.endsWith("/nologin") || raw.shell.endsWith("/false"))',
    },
    Kind.GROUP: {"displayName": "name"},
}
