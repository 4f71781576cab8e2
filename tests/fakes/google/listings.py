"""The content of each listing: rows in a fixed order, each with the key for page tokens."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from tests.fakes.google import errors
from tests.fakes.google.tenant import Activity, Json, Tenant

APPLICATIONS = ("admin", "groups_enterprise")


@dataclass(frozen=True)
class Listing:
    """``keys`` are in order; ``row`` gives the resource for one of them. ``name`` is the collection in the reply;
    ``default`` and ``limit`` are the page sizes."""

    kind: str
    name: str
    default: int
    limit: int
    keys: list[str]
    row: Callable[[str], Json]


def listing(tenant: Tenant, method: str, path: Mapping[str, str], query: Mapping[str, str], now: datetime) -> Listing:
    """The listing of a request. Raises Refused."""
    if method == "users.list":
        held = tenant.deleted if query.get("showDeleted") == "true" else tenant.users
        scope = tuple(query.get(name) for name in ("customer", "domain", "query", "showDeleted"))
        keys = tenant.remembered(("users", *scope), lambda: sorted(_users(tenant, held, query)))
        return Listing("admin#directory#users", "users", 100, 500, keys, lambda key: _user(held[key], query))
    if method == "groups.list":
        if "userKey" in query:
            keys = sorted(_groups_of(tenant, query))
            return Listing("admin#directory#groups", "groups", 200, 200, keys, tenant.groups.__getitem__)
        domain = _domain(tenant, query)
        keys = sorted(key for key, group in tenant.groups.items() if _of(group["email"], domain))
        return Listing("admin#directory#groups", "groups", 200, 200, keys, tenant.groups.__getitem__)
    if method == "members.list":
        members = _members(tenant, path["group"])
        return Listing("admin#directory#members", "members", 200, 200, sorted(members), members.__getitem__)
    activities = {f"{number:09}": each for number, each in enumerate(_activities(tenant, path, query, now))}
    return Listing(
        "admin#reports#activities",
        "items",
        1000,
        1000,
        list(activities),
        lambda key: _activity(tenant, activities[key]),
    )


def _domain(tenant: Tenant, query: Mapping[str, str]) -> str | None:
    """The requested domain; None: the whole customer. One of the two must be given."""
    if "domain" in query:
        if query["domain"] not in tenant.domains:
            raise errors.no_domain()
        return query["domain"]
    if "customer" not in query:
        raise errors.invalid("Bad Request", "badRequest")
    if query["customer"] not in ("my_customer", tenant.customer):
        raise errors.invalid("Invalid Input: INVALID_CUSTOMER_ID")
    return None


def _of(address: str, domain: str | None) -> bool:
    return domain is None or address.endswith("@" + domain)


def _users(tenant: Tenant, held: Mapping[str, Json], query: Mapping[str, str]) -> Iterator[str]:
    domain = _domain(tenant, query)
    below: str | None = None
    if "query" in query:
        match = re.fullmatch(r"orgUnitPath='((?:[^'\\]|\\.)*)'", query["query"])
        if match is None:
            raise errors.invalid("Invalid Input: query")
        below = re.sub(r"\\(.)", r"\1", match[1]).rstrip("/")
    for key, user in held.items():
        unit = str(user["orgUnitPath"]) + "/"
        if _of(user["primaryEmail"], domain) and (below is None or unit.lower().startswith(below.lower() + "/")):
            yield key


def _user(user: Json, query: Mapping[str, str]) -> Json:
    """Custom fields are included if the projection names them."""
    projection = query.get("projection", "basic")
    found = {"kind": "admin#directory#user", **user, "etag": f'"acme/{_digest(str(user))}"'}
    if projection == "basic":
        found.pop("customSchemas", None)
    elif projection == "custom" and "customSchemas" in found:
        wanted = query.get("customFieldMask", "").split(",")
        found["customSchemas"] = {name: each for name, each in found["customSchemas"].items() if name in wanted}
    return found


def _members(tenant: Tenant, group: str) -> dict[str, Json]:
    """By id or address."""
    key = next((key for key, each in tenant.groups.items() if group in (key, each["email"])), None)
    held = None if key is None else tenant.listed_members(key)
    if held is None:
        raise errors.missing("groupKey")
    named = {member.get("id") or member["email"]: member for member in held}
    return {
        key: {"kind": "admin#directory#member", "etag": f'"acme/{_digest(key)}"', **member}
        for key, member in named.items()
    }


def member(tenant: Tenant, group: str, key: str) -> Json:
    """One direct member. A member by way of another group, or as one of all users, has no entry. Raises Refused."""
    found = _members(tenant, group)
    address = key.lower()
    entry = found.get(key) or next((each for each in found.values() if each.get("email", "").lower() == address), None)
    if entry is None or entry.get("type") == "CUSTOMER":
        raise errors.missing("memberKey")
    return entry


def _groups_of(tenant: Tenant, query: Mapping[str, str]) -> Iterator[str]:
    """The groups of a user, with those that contain one of them: the worse of what users report."""
    if "customer" in query:
        raise errors.invalid("Invalid Input: customer", "invalidParameter")
    user = tenant.users.get(query["userKey"])
    if user is None:
        raise errors.missing("userKey")
    found, inner = set[str](), {user["id"]}
    while inner:
        inner = {group for group, members in tenant.members.items() if inner & members.keys()} - found
        found |= inner
    yield from found


def _activities(tenant: Tenant, path: Mapping[str, str], query: Mapping[str, str], now: datetime) -> list[Activity]:
    """Newest first."""
    application = path["application"]
    if application not in APPLICATIONS:
        raise errors.invalid(f"Invalid value '{application}'")
    start = datetime.fromisoformat(query["startTime"]) if "startTime" in query else None
    wanted = [
        activity
        for activity in tenant.activities
        if activity.application == application
        and activity.seen <= now
        and (start is None or activity.time >= start)
        and query.get("eventName") in (None, activity.name)
    ]
    wanted.sort(key=lambda activity: activity.unique, reverse=True)
    return wanted


def _activity(tenant: Tenant, activity: Activity) -> Json:
    kind = "GROUP_SETTINGS" if "GROUP_EMAIL" in activity.parameters else "USER_SETTINGS"
    parameters = [{"name": name, "value": value} for name, value in activity.parameters.items()]
    return {
        "kind": "admin#reports#activity",
        "id": {
            "time": activity.time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{activity.time.microsecond // 1000:03}Z",
            "uniqueQualifier": activity.unique,
            "applicationName": activity.application,
            "customerId": tenant.customer,
        },
        "etag": f'"acme/{_digest(activity.unique)}"',
        "actor": {"callerType": "USER", "email": next(iter(sorted(tenant.admins)), "")},
        "events": [{
            "type": kind if activity.application == "admin" else "moderator_action",
            "name": activity.name,
            "parameters": parameters,
        }],
    }  # fmt: skip


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:27]
