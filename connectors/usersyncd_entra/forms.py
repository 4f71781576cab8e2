"""The documented forms of properties, and the messages about users and groups that violate them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, Unread
from usersyncd_entra.mapping import PERMISSIONS
from usersyncd_entra.objects import Object

FEW = 0.1
"""Maximum share of unreadable users: more mean a missing right."""

_MALFORMED = (
    "{name} of the user {who} does not have the form that Microsoft Graph documents\n"
    "  → correct it with the tool that wrote it; until then the user stays unchanged"
)
_HIDDEN = (
    "Microsoft Graph hides {name} of the user {who}, but every user has it\n"
    "  → check in the Entra admin centre that the user has it and the application may read it; until then the user "
    "stays unchanged"
)
MALFORMED_MEMBERS = (
    "the members of the group do not have the form that Microsoft Graph documents: one has no id\n"
    "  → the next run reads them again; if this persists, contact Microsoft's support; the group stays unchanged"
)
"""The message about a group with an unreadable member."""


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_map(value: Any) -> bool:
    return value is None or isinstance(value, dict)


def _is_texts(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(each, str) for each in value))


def _is_ends(value: Any) -> bool:
    return value is None or (
        isinstance(value, list) and all(isinstance(end, dict) and _is_text(end.get("id")) for end in value)
    )


FORMS: Mapping[str, Callable[[Any], bool]] = {
    "accountEnabled": _is_flag,
    "userPrincipalName": _is_text,
    "businessPhones": _is_texts,
    "onPremisesExtensionAttributes": _is_map,
    "manager@delta": _is_ends,
    "@odata.type": _is_text,
}

REQUIRED = frozenset({"accountEnabled", "userPrincipalName"})
"""Properties of every user (learn.microsoft.com/graph/api/resources/user)."""


class Unreadable:
    """The users that cannot be read."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._names)

    def user(self, identifier: str, user: Object, name: str) -> Unread:
        """The item for a user whose property ``name`` is malformed or absent."""
        self._names.append(name)
        login = user.get("userPrincipalName")
        who = login if login and isinstance(login, str) else identifier
        hidden = name in REQUIRED and user.get(name) is None
        return Unread(Kind.USER, identifier, (_HIDDEN if hidden else _MALFORMED).format(name=name, who=who))

    def verify(self, listed: int) -> None:
        """Raises SourceError if many of the ``listed`` users cannot be read."""
        if len(self._names) > max(1, FEW * listed):
            raise SourceError(
                f"Microsoft Graph hides or changes {', '.join(sorted(set(self._names)))} of {len(self._names)} of "
                f"{listed} users: the pull was discarded",
                f"check that the application has the permission {PERMISSIONS[Kind.USER]}, not only "
                "User.ReadBasic.All (Entra admin centre, App registrations, API permissions)",
            )
