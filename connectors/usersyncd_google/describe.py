"""Describes a customer for ``check``."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime

from usersyncd_google.api import Api
from usersyncd_google.fields import Fields, listing
from usersyncd_google.groups import domain
from usersyncd_google.hints import APPLICATIONS, hints
from usersyncd_google.options import GoogleOptions
from usersyncd_google.users import Json


async def describe(api: Api, options: GoogleOptions, me: Json, now: datetime) -> AsyncIterator[str]:
    """The description, line by line. Raises SourceError when something that a pull reads cannot be read."""
    customer = me["customerId"] if options.customer == "my_customer" else options.customer
    yield f"Google customer {customer}, read as {me['primaryEmail']}"
    extents: list[Json] = [{"domain": each} for each in options.domains or ()] or [{"customer": options.customer}]
    groups, users = Counter[str](), Counter[str]()
    for extent in extents:
        async for page in api.groups(extent, listing("groups", Fields().need(["email"]))):
            groups.update(_domain(group.get("email")) for group in page)
        async for page in api.users(extent, listing("users", Fields().need(["primaryEmail"])), "basic"):
            users.update(_domain(user.get("primaryEmail")) for user in page)
    yield f"users: {_counts(users)}"
    if options.org_units:
        yield f"only users in {', '.join(options.org_units)} are read"
    yield f"groups: {_counts(groups)}"
    if options.incremental:
        await hints(api, now, now, frozenset())
        yield f"members are read of changed groups only, by their rows and the logs {' and '.join(APPLICATIONS)}"
    else:
        yield "members are read of all groups"
    yield f"at most {options.per_minute:,} requests a minute"


def _domain(address: object) -> str:
    return domain(address) if isinstance(address, str) else "no address"


def _counts(found: Counter[str]) -> str:
    domains = [f"{name} {count:,}" for name, count in found.most_common()]
    return f"{found.total():,}" + (f" ({', '.join(domains)})" if len(domains) > 1 else "")
