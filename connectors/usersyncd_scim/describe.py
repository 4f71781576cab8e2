"""What `usersyncd check --online` shows of a service provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from usersyncd.plugin import quoted
from usersyncd_scim.options_target import ScimTargetOptions
from usersyncd_scim.profile import Profile


def describe(options: ScimTargetOptions, profile: Profile, said: Mapping[str, Any]) -> Sequence[str]:
    """A few lines. ``said``: the ServiceProviderConfig (RFC 7643, section 5), or nothing."""
    return [f"{options.url}, profile {options.profile}", *_description(said), *_contradictions(profile, said)]


def _description(said: Mapping[str, Any]) -> Iterator[str]:
    if not said:
        yield "the provider does not describe itself (no ServiceProviderConfig)"
        return
    names = ("patch", "filter", "bulk", "sort", "etag")
    supported = [name for name in names if _supports(said, name)]
    yield f"the provider says that it supports {', '.join(supported) or 'nothing beyond the minimum'}"
    most = (said.get("filter") or {}).get("maxResults")
    if isinstance(most, int):
        yield f"at most {most} results of one filter"


def _contradictions(profile: Profile, said: Mapping[str, Any]) -> Iterator[str]:
    if said and profile.update == "patch" and not _supports(said, "patch"):
        yield "warning: the provider says that it does not support PATCH: set `update: put` and `group_update: put`"
    if said and profile.find == "filter" and not _supports(said, "filter"):
        yield "warning: the provider says that it does not support filters: set `find: list`"
    pagination = said.get("pagination") or {}
    if profile.paging == "index" and pagination.get("cursor") is True and pagination.get("index") is False:
        yield "warning: the provider pages by cursor only: set `paging: cursor`"
    largest = pagination.get("maxPageSize")
    if isinstance(largest, int) and largest < profile.page_size:
        yield f"warning: the provider returns at most {largest} resources in a page: set `page_size: {largest}`"


def _supports(said: Mapping[str, Any], name: str) -> bool:
    found = said.get(name)
    return isinstance(found, Mapping) and quoted(str(found.get("supported"))).lower() == "true"
