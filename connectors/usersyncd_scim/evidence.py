"""Whether a resource is the result of a create, or was there before: an account that somebody made is never taken over
because a provider answers a duplicate with an error of its own, or with the account itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import httpx
import msgspec

from usersyncd.plugin import http_date
from usersyncd_scim.paths import Resource
from usersyncd_scim.resources import ResourceForm, same_value

OLDER = timedelta(minutes=3)
"""How much older than the answer a new resource may be by the provider's clocks: as long as a request may take."""


def made_unseen(form: ResourceForm, found: Sequence[Resource], sent: Resource) -> str | None:
    """The id of the one resource that a create without an answer made. It is as it was sent, and it shows that it was
    not there before."""
    same = [one for one in found if _is_as_sent(form, one, sent) and _is_new(form, one, sent)]
    return same[0]["id"] if len(found) == len(same) == 1 else None


def foreign_id(answered: Resource, sent: Resource) -> str | None:
    """The externalId of a resource that was answered to a create with another one; None if it has no other."""
    ours, theirs = sent.get("externalId"), answered.get("externalId")
    if not isinstance(ours, str) or not isinstance(theirs, str) or ours.casefold() == theirs.casefold():
        return None
    return theirs


def was_there_before(form: ResourceForm, found: Resource, sent: Resource, response: httpx.Response) -> bool:
    """Whether a resource that was answered to a create without the status 201 (RFC 7644, section 3.3) may be older than
    the create. Some providers write our externalId into the account that has the same login: ``meta.created`` shows
    it."""
    meta = found.get("meta")
    created = _moment(meta.get("created")) if isinstance(meta, dict) else None
    now = http_date(response.headers.get("Date", ""))
    is_old = created is not None and now is not None and created < now - OLDER
    return is_old or not _is_new(form, found, sent)


def _is_as_sent(form: ResourceForm, found: Resource, sent: Resource) -> bool:
    """Whether a resource has all values that were sent; a provider may add others, and may leave some out."""
    held, wanted = form.held(found).attributes, form.held({**sent, "id": ""}).attributes
    return all(held[name] is None or same_value(form, name, value, held[name]) for name, value in wanted.items())


def _is_new(form: ResourceForm, found: Resource, sent: Resource) -> bool:
    """Whether a resource has the externalId that was sent, or the key, which nothing had just before the create."""
    ours, key = sent.get("externalId"), form.key_path.get(sent)
    is_ours = isinstance(ours, str) and found.get("externalId") == ours
    return is_ours or (isinstance(key, str) and same_value(form, form.layout.key, key, form.key_path.get(found)))


def _moment(text: object) -> datetime | None:
    try:
        found = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
