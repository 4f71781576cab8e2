"""Hints: which groups' members have changed, as the audit logs of the Reports API tell.

They lag by minutes, sometimes by an hour, and now and then miss something (support.google.com/a/answer/7061566). So
each pull looks back further than the last one, and a complete pull remains the truth.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec import Struct

from usersyncd_google.api import Api
from usersyncd_google.groups import short_digest

APPLICATIONS = ("admin", "groups_enterprise")
"""What the admin console and API do is in the first log, what members and managers of groups do in the second."""
NAMES = frozenset({"GROUP_EMAIL", "group_id", "group_email"})
"""The parameters of events that name a group (appendices ``admin-groups-events`` and ``groups-enterprise``)."""
OVERLAP = timedelta(hours=3)
"""How late an activity may appear in the log."""
SETTLED = timedelta(minutes=10)
"""How long one of Google's servers may not know of a change that another one has told of. Groups are read again until
their last activity is older."""
MOST = 20_000
"""Activities to look through. With more of them, reading everything is as quick."""
FIELDS = "kind,nextPageToken,items(id(time,uniqueQualifier),events(parameters(name,value)))"


class Hints(Struct):
    """``groups``: addresses or ids of groups that may have changed; ``seen``: what to skip next time; ``too_many``: the
    logs are too long to be looked through."""

    groups: set[str]
    seen: list[str]
    too_many: bool = False


async def hints(api: Api, since: datetime, now: datetime, seen: frozenset[str]) -> Hints:
    """What the logs tell since the last pull began at ``since``. All times are Google's own."""
    found = Hints(set(), [])
    start = (since - OVERLAP).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    settled = (now - SETTLED).astimezone(UTC).isoformat()
    count = 0
    for application in APPLICATIONS:
        async for page in api.activities(application, start, FIELDS):
            count += len(page)
            if count > MOST:
                return Hints(set(), [], too_many=True)
            for activity in page:
                _take(activity, application, settled, seen, found)
    return found


def _take(activity: dict[str, object], application: str, settled: str, seen: frozenset[str], found: Hints) -> None:
    named = _groups(activity)
    if not named:
        return
    identity: dict[str, str] = activity.get("id", {})  # type: ignore[assignment]
    time = identity.get("time", "")
    mark = short_digest(f"{application} {time} {identity.get('uniqueQualifier')}")
    if mark not in seen:
        found.groups |= named
    if time.replace("Z", "+00:00") < settled:
        found.seen.append(mark)


def _groups(activity: dict[str, object]) -> set[str]:
    events: list[dict[str, list[dict[str, str]]]] = activity.get("events", [])  # type: ignore[assignment]
    return {
        parameter["value"].lower()
        for event in events
        for parameter in event.get("parameters", ())
        if parameter.get("name") in NAMES and parameter.get("value")
    }
