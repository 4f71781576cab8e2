"""The profile of a service provider: how it deviates from the standard, as data in one YAML file each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from usersyncd.errors import ConfigError
from usersyncd.plugin import OptionFile, Options, Value

BUILT_IN = tuple(sorted(file.name.removesuffix(".yaml") for file in files("usersyncd_scim.profiles").iterdir()
                        if file.name.endswith(".yaml")))  # fmt: skip
"""The names of the profiles that are part of the connector."""
RATE = re.compile(r"([1-9]\d{0,6})/(s|min|h)")
PER_MINUTE = {"s": 60.0, "min": 1.0, "h": 1 / 60}

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
"""The enterprise extension (RFC 7643, section 4.3)."""


class Defaults(Options):
    """SCIM paths and the values that a new resource gets."""

    users: dict[str, Value] = Field(default={}, description="of users")
    groups: dict[str, Value] = Field(default={}, description="of groups")


class Paths(Options):
    """Names of attributes, each with its SCIM path; null: the attribute is not sent."""

    users: dict[str, str | None] = Field(default={}, description="of users")
    groups: dict[str, str | None] = Field(default={}, description="of groups")


class Matching(Options):
    """The attributes by which a resource is found, in this order."""

    users: list[str] = Field(default=["externalId", "userName"], description="for users")
    groups: list[str] = Field(default=["externalId", "displayName"], description="for groups")


class Rates(Options):
    """Quotas of the service provider, each as `600/min`, `1000/h` or `25/s`."""

    requests: str | None = Field(default=None, description="all requests")
    reads: str | None = Field(default=None, description="GET")
    writes: str | None = Field(default=None, description="all other methods")
    users: str | None = Field(default=None, description="requests that create, change or delete a user")
    groups: str | None = Field(default=None, description="requests that create, change or delete a group")
    creates: str | None = Field(default=None, description="requests that create a user")

    @field_validator("*")
    @classmethod
    def _is_rate(cls, text: str | None) -> str | None:
        if text is not None and not RATE.fullmatch(text):
            raise ValueError("write a number and a unit: 600/min, 1000/h or 25/s")
        return text

    def per_minute(self) -> Mapping[str, float]:
        """The quotas that are set, in requests per minute."""
        found: dict[str, float] = {}
        for name, text in self.model_dump(exclude_none=True).items():
            number, unit = RATE.fullmatch(text).groups()  # type: ignore[union-attr] # the validator matched it
            found[name] = int(number) * PER_MINUTE[unit]
        return found


class Profile(Options):
    """How a SCIM service provider is used. The defaults are those of the profile `strict`."""

    version: Literal["2.0", "1.1"] = Field(default="2.0", description="the version of SCIM")
    discovery: Literal["ServiceProviderConfig", "ServiceProviderConfigs", "none"] = Field(
        default="ServiceProviderConfig", description="the path of the provider's description of itself"
    )
    update: Literal["patch", "put"] = Field(
        default="patch", description="patch sends what changed; put reads the resource and replaces it"
    )
    group_update: Literal["add-remove", "replace", "put"] = Field(
        default="add-remove",
        description="add-remove and replace change members by PATCH (replace sends all); put replaces the group",
    )
    member_removal: Literal["filter", "unquoted-filter", "value"] = Field(
        default="filter",
        description='`members[value eq "id"]`, the same without quotation marks, or the path `members` with a value',
    )
    members_per_request: int = Field(default=100, ge=1, le=100_000, description="members in one PATCH")
    members_readable: bool = Field(default=True, description="whether a group is returned with its members")
    find: Literal["filter", "list"] = Field(
        default="filter", description="how a resource is found: by a filter, or by listing all of them"
    )
    lists_all: bool = Field(default=True, description="whether a listing without filter has all resources")
    paging: Literal["index", "cursor", "none"] = Field(default="index", description="how a listing is read")
    page_size: int = Field(default=100, ge=1, le=10_000, description="resources in one page")
    match: Matching = Field(default=Matching(), description="attributes by which a resource is found after a conflict")
    deprovision: Literal["delete", "deactivate", "ignore"] = Field(
        default="delete", description="what deleting a user means: DELETE, active: false, or nothing"
    )
    external_id: Literal["id", "directory/id"] = Field(
        default="id",
        description="what externalId holds if the rules have no `set`; with several directories it has to be "
        "directory/id",
    )
    paths: Paths = Field(
        default=Paths(
            users={
                "userName": "userName",
                "email": 'emails[type eq "work"].value',
                "givenName": "name.givenName",
                "familyName": "name.familyName",
                "displayName": "displayName",
                "active": "active",
                "userType": "userType",
                "title": "title",
                "department": f"{ENTERPRISE}:department",
                "division": f"{ENTERPRISE}:division",
                "costCenter": f"{ENTERPRISE}:costCenter",
                "organization": f"{ENTERPRISE}:organization",
                "employeeNumber": f"{ENTERPRISE}:employeeNumber",
                "preferredLanguage": "preferredLanguage",
                "locale": "locale",
                "timezone": "timezone",
                "phone": 'phoneNumbers[type eq "work"].value',
                "mobile": 'phoneNumbers[type eq "mobile"].value',
            },
            groups={"displayName": "displayName"},
        ),
        description="names of attributes, and the SCIM path of each",
    )
    sends: list[str] | None = Field(
        default=None,
        description="the attributes of users that are sent if the rules have no `set`; default: all of paths",
    )
    defaults: Defaults = Field(
        default=Defaults(), description="SCIM paths and values that a new resource gets if the rules set none"
    )
    required: list[str] = Field(default=["userName"], description="SCIM paths without which no user is created")
    lengths: dict[str, int] = Field(default={}, description="SCIM paths and their maximum length in characters")
    charsets: dict[str, str] = Field(
        default={}, description="SCIM paths and a regular expression that the whole value has to match"
    )
    rates: Rates = Field(default=Rates(), description="quotas of requests")
    concurrency: int = Field(default=8, ge=1, le=64, description="concurrent requests")
    user_agent: str = Field(default="usersyncd", description="the header User-Agent")
    headers: dict[str, str] = Field(default={}, description="more headers of every request; no secrets")

    @field_validator("charsets")
    @classmethod
    def _are_expressions(cls, charsets: dict[str, str]) -> dict[str, str]:
        for path, expression in charsets.items():
            try:
                re.compile(expression)
            except re.error as error:
                raise ValueError(f"{path}: not a regular expression: {error}") from None
        return charsets

    @model_validator(mode="after")
    def _fits_version(self) -> Profile:
        if self.version == "1.1" and (self.update, self.group_update) != ("put", "put"):
            raise ValueError("SCIM 1.1 has no PATCH of 2.0: version 1.1 needs update: put and group_update: put")
        if self.group_update != "add-remove" and not self.members_readable:
            raise ValueError("group_update replace and put read the members first: members_readable must be true")
        return self


def load(name: str, folder: Path, overrides: Mapping[str, Any]) -> Profile:
    """The profile ``name`` (built in, or a YAML file relative to ``folder``) with ``overrides``.

    Raises ConfigError, which names the file and the key.
    """
    if name in BUILT_IN:
        text, shown = (files("usersyncd_scim.profiles") / f"{name}.yaml").read_text("utf-8"), f"profile {name}"
    else:
        path = folder / name
        try:
            text, shown = path.read_text("utf-8"), str(path)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the profile {path} cannot be read: {error}", "correct `profile`") from error
    return _validated(_merged(_parsed(text, shown), overrides), shown)


def own_files(name: str, folder: Path) -> list[OptionFile]:
    """The file of a profile that is not built in."""
    return [] if name in BUILT_IN else [OptionFile("profile", folder / name, Profile)]


def is_built_in_or_path(name: str) -> bool:
    """Whether a profile's name is built in, or looks like a file."""
    return name in BUILT_IN or name.endswith((".yaml", ".yml"))


def _parsed(text: str, shown: str) -> dict[str, Any]:
    try:
        found = yaml.load(text, _StrictLoader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        raise ConfigError(f"{shown} is not YAML: {' '.join(str(error).split())}", "correct the file") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ConfigError(f"{shown} is not a mapping of keys to values", "copy a built-in profile and change it")
    return found


def _merged(data: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Overrides replace keys; in a key with a mapping, they replace its entries. An entry of the profile that is a
    mapping itself (``paths: {users: …}``) is extended too."""
    merged = dict(data)
    for key, value in overrides.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _validated(data: Mapping[str, Any], shown: str) -> Profile:
    try:
        own = Profile.model_validate(data)
        standard = Profile().paths.model_dump()
        return Profile.model_validate({**data, "paths": _merged(standard, own.paths.model_dump())})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'keys'}: {one['msg']}" for one in error.errors()[:5])
        raise ConfigError(f"{shown}: {faults}", "docs/scim-target.md lists the keys of a profile") from error


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key that is written twice."""


def _unique(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    if doubled := {str(key) for key in keys if keys.count(key) > 1}:
        raise yaml.constructor.ConstructorError(None, None, f"key twice: {', '.join(sorted(doubled))}", node.start_mark)
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique)
