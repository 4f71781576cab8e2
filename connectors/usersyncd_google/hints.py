"""Finds the groups whose members changed, by the audit logs of the Reports API.

The logs lag by minutes, sometimes by an hour, and sometimes miss events (support.google.com/a/answer/7061566). So each
pull reads the logs from before the last pull, and complete pulls correct what is missed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec import Struct

from usersyncd_google.api import Api
from usersyncd_google.groups import short_digest

APPLICATIONS = ("admin", "groups_enterprise")
"""The first log has the actions of the admin console and API, the second those of members and managers of groups."""
NAMES = frozenset({"GROUP_EMAIL", "group_id", "group_email"})
"""The parameters of events that name a group (appendices ``admin-groups-events`` and ``groups-enterprise``)."""
OVERLAP = timedelta(hours=3)
"""Maximum delay of an activity in the log."""
SETTLED = timedelta(minutes=10)
"""Maximum delay between Google's servers: one may not yet have a change that another one reported. Groups are read
again until their last activity is older."""
MOST = 20_000
"""Maximum activities to read. With more of them, reading all members is as fast."""
FIELDS = "kind,nextPageToken,items(id(time,uniqueQualifier),events(parameters(name,value)))"


class Hints(Struct):
    """``groups``: addresses or ids of groups that may have changed; ``seen``: digests of the activities to skip next
    time; ``too_many``: the logs have more than :data:`MOST` activities."""

    groups: set[str]
    seen: list[str]
    too_many: bool = False


async def hints(api: Api, since: datetime, now: datetime, seen: frozenset[str]) -> Hints:
    """Read the logs since the last pull, which began at ``since``. All times are Google's own."""
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
