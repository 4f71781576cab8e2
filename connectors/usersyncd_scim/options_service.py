"""Options that name a service provider: its address and its profile."""

from __future__ import annotations

import ipaddress
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from usersyncd.plugin import scheme_lowered
from usersyncd_scim.profile import BUILT_IN, is_built_in_or_path


def _safe(url: str) -> str:
    url = scheme_lowered(url).rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("write https://HOST/PATH")
    if parts.query or parts.fragment or parts.username or parts.password:
        raise ValueError("write the address without a user, `?` and `#`: the token has an option of its own")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError("over http:// everybody on the way could read the token: write https://")
    return url


def _known(profile: str) -> str:
    if not is_built_in_or_path(profile):
        raise ValueError(f"no built-in profile has this name: use {', '.join(BUILT_IN)}, or the path of a .yaml file")
    return profile


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


Address = Annotated[str, AfterValidator(_safe)]
"""The base address, without a slash at its end."""
ProfileName = Annotated[str, AfterValidator(_known)]
"""A built-in profile, or a YAML file."""
