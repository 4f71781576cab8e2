"""Converts Google's users to records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from usersyncd.plugin import Kind, Record, Unread, Value
from usersyncd_google.fields import Fields
from usersyncd_google.mapping import DERIVED, HIDDEN, MAPPING
from usersyncd_google.options import within

Json = dict[str, Any]


class UserReader:
    """Converts users to records.

    ``reads``: the attributes that the rules read; None: all. ``units``: the org units whose users are read; None: all.
    :attr:`fields` and :attr:`projection`: the parameters of the request.
    """

    def __init__(self, reads: frozenset[str] | None, units: list[str] | None = None) -> None:
        self._units = units
        self._all = reads is None
        names = {*DERIVED, *MAPPING[Kind.USER].values()} if reads is None else reads
        self._derived = [(name, _DERIVE[name]) for name in sorted(names & _DERIVE.keys())]
        self._own = sorted(names - DERIVED.keys())
        self.fields: Fields | None = None
        if reads is not None:
            self.fields = Fields().need(
                ["id", "primaryEmail", *self._own, *(DERIVED[name] for name, _ in self._derived)]
            )
            if "manager" in reads:
                self.fields.need(
                    ["aliases", "nonEditableAliases"]
                )  # A manager attribute may have any address of the user.
            if units is not None:
                self.fields.need(["orgUnitPath"])
        self.projection = "full" if reads is None or "customSchemas" in reads else "basic"

    def record(self, user: Json) -> Record | Unread | None:
        """The record of a user; None when the user is in none of the org units."""
        if self._units is not None:
            unit = user.get("orgUnitPath")
            if not isinstance(unit, str):
                return _unread(user, "orgUnitPath")
            if not within(unit, self._units):
                return None
        if malformed := _malformed(user):
            return _unread(user, malformed)
        attributes: dict[str, Value]
        if self._all:
            hidden = HIDDEN[Kind.USER]
            attributes = {name: value for name, value in user.items() if value is not None and name not in hidden}
        else:
            attributes = {name: user[name] for name in self._own if user.get(name) is not None}
        for name, derive in self._derived:
            value = derive(user)
            if value is not None and value != "":
                attributes[name] = value
        return Record(Kind.USER, user["id"], attributes, _handles(user))


MALFORMED = (
    "{1} of the account {0} does not have the form that Google documents\n"
    "  → correct it with the tool that wrote it (Directory API, users.update); until then the user stays unchanged"
)


def _unread(user: Json, name: str) -> Unread:
    address = user.get("primaryEmail")
    return Unread(Kind.USER, user["id"], MALFORMED.format(address if _is_address(address) else user["id"], name))


def _malformed(user: Json) -> str | None:
    """The first property without its documented form."""
    if not _is_address(user.get("primaryEmail")):
        return "primaryEmail"
    return next((name for name, form in _FORMS if name in user and not form(user[name])), None)


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and value.strip() != ""


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_time(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_map(value: Any) -> bool:
    return value is None or isinstance(value, dict)


def _is_list(kind: type) -> Callable[[Any], bool]:
    return lambda value: value is None or (isinstance(value, list) and all(isinstance(item, kind) for item in value))


_FORMS: Sequence[tuple[str, Callable[[Any], bool]]] = (
    ("suspended", _is_flag),
    ("archived", _is_flag),
    ("creationTime", _is_time),
    ("name", _is_map),
    *((name, _is_list(dict)) for name in ("organizations", "externalIds", "relations", "languages", "phones")),
    *((name, _is_list(str)) for name in ("aliases", "nonEditableAliases")),
)
"""The documented forms. Several lists have the type ``any`` in Google's discovery document, so some accounts have other
values."""


def handle(address: str) -> str:
    """The handle for an address, normalised: case and surrounding spaces do not matter."""
    return "email:" + address.strip().lower()


def _handles(user: Json) -> tuple[str, ...]:
    addresses = [user.get("primaryEmail"), *(user.get("aliases") or ()), *(user.get("nonEditableAliases") or ())]
    return tuple(dict.fromkeys(handle(address) for address in addresses if address))


# ------------------------------------------------------------------------------------------------------------- derived


def _active(user: Json) -> Value:
    """Suspended users may not sign in; archived users may not either, whatever ``suspended`` says."""
    return not (user.get("suspended") or user.get("archived"))


def _name(*parts: str) -> Callable[[Json], Value]:
    def derive(user: Json) -> Value:
        name = user.get("name") or {}
        return next((name[part] for part in parts if name.get(part)), None)

    return derive


def _organization(part: str) -> Callable[[Json], Value]:
    def derive(user: Json) -> Value:
        value: Value = _primary(user.get("organizations")).get(part)
        return value

    return derive


def _employee_number(user: Json) -> Value:
    return _typed(user.get("externalIds"), "organization").get("value")


def _manager(user: Json) -> Value:
    """The manager's address, as the admin console writes it; any other text may be an id."""
    value = _typed(user.get("relations"), "manager").get("value")
    return handle(value) if isinstance(value, str) and "@" in value else value


def _language(user: Json) -> Value:
    languages = [each for each in user.get("languages") or () if each.get("languageCode")]
    preferred = [each for each in languages if each.get("preference") == "preferred"] or languages
    return preferred[0]["languageCode"] if preferred else None


def _phone(*types: str) -> Callable[[Json], Value]:
    def derive(user: Json) -> Value:
        return next((found for each in types if (found := _typed(user.get("phones"), each).get("value"))), None)

    return derive


def _primary(entries: list[Json] | None) -> Json:
    """The entry that is marked primary, or else the first."""
    entries = entries or [{}]
    return next((entry for entry in entries if entry.get("primary")), entries[0])


def _typed(entries: list[Json] | None, kind: str) -> Json:
    """The primary or first entry of this type that has a value."""
    return _primary([entry for entry in entries or () if entry.get("type") == kind and entry.get("value")])


_DERIVE: Mapping[str, Callable[[Json], Value]] = {
    "active": _active,
    "givenName": _name("givenName"),
    "familyName": _name("familyName"),
    "displayName": _name("displayName", "fullName"),
    "title": _organization("title"),
    "department": _organization("department"),
    "costCenter": _organization("costCenter"),
    "organization": _organization("name"),
    "userType": _organization("description"),
    "employeeNumber": _employee_number,
    "manager": _manager,
    "preferredLanguage": _language,
    "phone": _phone("work"),
    "mobile": _phone("mobile", "work_mobile"),
}
