"""Shapes as SCIM resources, and resources as shapes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from usersyncd.errors import TargetError
from usersyncd.plugin import Held, Kind, Layout, Value
from usersyncd_scim.paths import Resource, ScimPath, parse
from usersyncd_scim.profile import ENTERPRISE, Profile

ROUTES = {Kind.USER: "Users", Kind.GROUP: "Groups"}
SCHEMAS = {
    "2.0": {kind: f"urn:ietf:params:scim:schemas:core:2.0:{kind.value.title()}" for kind in Kind},
    "1.1": dict.fromkeys(Kind, "urn:scim:schemas:core:1.0"),
}
ENTERPRISE_1 = "urn:scim:schemas:extension:enterprise:1.0"
"""The enterprise extension of SCIM 1.1."""
READ_ONLY = ("id", "meta", "groups")
"""Attributes that only the provider writes (RFC 7643, sections 3.1 and 4.1.2)."""
UNIQUE = {Kind.USER: "userName", Kind.GROUP: "displayName"}
"""The attribute that no two resources share (for groups: with many providers)."""
FOLDED = ("userName", "emails")
"""Attributes whose values are compared without case (RFC 7643, section 4.1.1; addresses by custom)."""


class Unfit(Exception):  # noqa: N818 - it refuses one person, and ends nothing
    """The provider would refuse a value, or cannot store it."""


class ResourceForm:
    """How shapes of one kind become resources of this provider. Raises TargetError if the layout does not fit."""

    def __init__(self, kind: Kind, layout: Layout, profile: Profile, directories: Sequence[str], name: str) -> None:
        self.kind = kind
        self.layout = layout
        self._profile = profile
        self._directories = directories
        self._named = profile.paths.users if kind is Kind.USER else profile.paths.groups
        defaults = profile.defaults.users if kind is Kind.USER else profile.defaults.groups
        self._defaults = {self._parsed(path, name): value for path, value in defaults.items()}
        self.paths = self._all_paths(name)
        if not layout.ruled and len(directories) > 1 and profile.external_id == "id":
            raise TargetError(
                f"{name} receives {len(directories)} directories, in which different people may have the same id",
                "set `external_id: directory/id` in the options, or write `set` and `key` for users and groups",
            )
        unique = next((each for each, path in self.paths.items() if path.text == UNIQUE[kind]), layout.key)
        self.unique = unique
        """The name of the attribute for whose values changes wait for each other."""

    @property
    def key_path(self) -> ScimPath:
        """The path of the key."""
        return self.paths[self.layout.key]

    def path(self, text: str) -> ScimPath:
        """The path of this text in the provider's version. Raises TargetError."""
        return self._parsed(text, "match")

    def required(self) -> list[str]:
        """The required paths that neither the rules nor the defaults set."""
        known = {path.text for path in (*self.paths.values(), *self._defaults)}
        tops = known | {path.top for path in (*self.paths.values(), *self._defaults)}
        return [path for path in self._profile.required if path not in tops] if self.kind is Kind.USER else []

    def resource(self, shape: Mapping[str, Value], directory: str) -> Resource:
        """A new resource of this shape. Raises Unfit."""
        resource: Resource = {}
        for path, value in self._defaults.items():
            path.put(resource, value)
        self.write(resource, shape, shape, directory)
        for text in self._profile.required if self.kind is Kind.USER else ():
            if self.path(text).get(resource) is None:
                raise Unfit(f"{text} is required by the provider, and the rules give it no value")
        resource["schemas"] = self.schemas(resource)
        return resource

    def write(self, resource: Resource, shape: Mapping[str, Value], names: Iterable[str], directory: str) -> None:
        """Write these attributes of a shape into a resource. Raises Unfit."""
        for name in names:
            if (path := self.paths.get(name)) is not None:
                path.put(resource, self.value(name, path, shape.get(name), directory))

    def value(self, name: str, path: ScimPath, value: Value, directory: str) -> Value:
        """The value as it is sent. Raises Unfit if the provider would refuse it."""
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool) and path.urn in (None, ENTERPRISE):
            value = str(value)  # The standard has no attribute that is a number.
        if name == "id" and not self.layout.ruled and self._profile.external_id == "directory/id":
            value = f"{directory}/{value}"
        longest = self._profile.lengths.get(path.text)
        expression = self._profile.charsets.get(path.text)
        if isinstance(value, str) and longest is not None and len(value) > longest:
            raise Unfit(f"{path.text} has {len(value)} characters, and the provider takes at most {longest}")
        if isinstance(value, str) and expression is not None and not re.fullmatch(expression, value):
            raise Unfit(f"{path.text} {value!r} has characters that the provider does not take ({expression})")
        try:
            msgspec.json.encode(value)
        except UnicodeEncodeError:
            raise Unfit(f"{path.text} is not Unicode text") from None
        return value

    def schemas(self, resource: Mapping[str, Any]) -> list[str]:
        """The schemas of a resource: core, and every extension that it has."""
        urns = [name for name in resource if name.lower().startswith("urn:")]
        return [SCHEMAS[self._profile.version][self.kind], *urns]

    def replacement(self, current: Mapping[str, Any]) -> Resource:
        """A resource as it was read, in the form in which PUT sends it back."""
        return {name: value for name, value in current.items() if name not in READ_ONLY}

    def held(self, resource: Mapping[str, Any], asked: str | int | None = None) -> Held:
        """A resource of the provider as an object of the target. ``asked``: the key of the lookup."""
        attributes = {name: path.get(resource) for name, path in self.paths.items()}
        key, record = attributes[self.layout.key], None
        if not self.layout.ruled and self._profile.external_id == "directory/id":
            record = _record(str(key), self._directories)
            if record is not None:
                key = attributes["id"] = record[1]
        if asked is not None and key is not None and str(key) == str(asked):
            key = asked
        shown = key if isinstance(key, str | int) and not isinstance(key, bool) else ""
        return Held(str(resource["id"]), shown, attributes, record)

    def external_id(self, directory: str, key: str | int) -> str:
        """The value of the key attribute that a lookup asks for."""
        if not self.layout.ruled and self._profile.external_id == "directory/id":
            return f"{directory}/{key}"
        return str(key)

    def is_folded(self, path: ScimPath) -> bool:
        """Whether values under this path are equal without case."""
        return path.attribute in FOLDED or (self.kind is Kind.GROUP and path.attribute == "displayName")

    def _all_paths(self, target: str) -> dict[str, ScimPath]:
        sends = self._profile.sends
        found: dict[str, ScimPath] = {}
        for name in self.layout.attributes:
            if not self.layout.ruled:
                if name == "id":
                    found[name] = parse("externalId")
                elif (text := self._named.get(name)) and (self.kind is Kind.GROUP or sends is None or name in sends):
                    found[name] = self._parsed(text, target)
            elif (text := self._named.get(name, name)) is not None:
                found[name] = self._parsed(text, target)
        if self.layout.key not in found:
            raise TargetError(
                f"{target}: the key {self.layout.key} has no SCIM path", "give it one under `paths`, or use another key"
            )
        return found

    def _parsed(self, text: str, target: str) -> ScimPath:
        if self._profile.version == "1.1":
            text = text.replace(ENTERPRISE, ENTERPRISE_1)
        try:
            path = parse(text)
        except ValueError as error:
            raise TargetError(f"{target}: {error}", "correct `set` of the target, or `paths` of the profile") from None
        if path.attribute in ("id", "meta", "schemas", "members", "groups", "password") and path.urn is None:
            raise TargetError(
                f"{target}: rules cannot write {path.text}",
                "usersyncd writes members itself; id, meta and groups belong to the provider; passwords are not synced",
            )
        return path


def same_value(form: ResourceForm, name: str, written: Value, held: Value) -> bool:
    """Whether a value that was read is only another form of the one that was written."""
    if written == held:
        return True
    if isinstance(written, bool) or isinstance(held, bool):
        return str(written).lower() == str(held).lower()
    if isinstance(written, str | int | float) and isinstance(held, str | int | float):
        path = form.paths.get(name)
        if path is not None and form.is_folded(path) and form.kind is Kind.USER:
            return str(written).casefold() == str(held).casefold()
        return str(written) == str(held)
    return False


def _record(external_id: str, directories: Sequence[str]) -> tuple[str, str] | None:
    """The directory and the id in an externalId `directory/id`; None for any other text."""
    for directory in directories:
        if external_id.startswith(f"{directory}/"):
            return directory, external_id[len(directory) + 1 :]
    return None
