"""The ``options`` of a directory with ``connector: google``."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from usersyncd.plugin import Options, Secret, scheme_lowered


def _url(text: str) -> str:
    text = scheme_lowered(text)
    parts = urlsplit(text)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{text!r} is not the address of a server: write https://HOST[:PORT]")
    if parts.scheme == "http" and not _loopback(parts.hostname):
        raise ValueError(f"{text!r}: access tokens would be sent unencrypted: write https://")
    return text.rstrip("/")


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _address(text: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text):
        raise ValueError(f"{text!r} is not an e-mail address")
    return text.lower()


def _domain(text: str) -> str:
    if not re.fullmatch(r"[^@\s/:]+\.[^@\s/:]+", text):
        raise ValueError(f"{text!r} is not a domain, such as acme.example")
    return text.lower()


def _unit(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError(f"{text!r} is not the full path of an org unit: it begins with /, such as /Staff/Engineering")
    return text.rstrip("/") or "/"


Url = Annotated[str, AfterValidator(_url)]
Address = Annotated[str, AfterValidator(_address)]
Domain = Annotated[str, AfterValidator(_domain)]
Unit = Annotated[str, AfterValidator(_unit)]

MY_CUSTOMER = "my_customer"


class Keyless(Options):
    """Sign in as a service account without its key: IAM Credentials signs for a workload with the right to do so."""

    service_account: Address
    """The service account's e-mail address."""
    credentials: Secret | None = None
    """The workload's own credentials, such as the configuration file of workload identity federation. Default: the
    application default credentials of this machine."""
    endpoint: Url = "https://iamcredentials.googleapis.com"
    """The address of IAM Credentials."""


class GoogleOptions(Options):
    """A customer of Google Workspace or Cloud Identity, read through the Admin SDK."""

    service_account: Secret | None = None
    """The JSON key file of a service account with domain-wide delegation."""
    keyless: Keyless | None = None
    """Instead of ``service_account``: sign in without a key file."""
    subject: Address
    """The administrator that the service account impersonates."""
    customer: str = MY_CUSTOMER
    """The customer's id, which begins with C. Default: the subject's customer."""
    domains: Annotated[list[Domain], Field(min_length=1)] | None = None
    """Only users and groups of these domains. Default: all domains of the customer."""
    org_units: Annotated[list[Unit], Field(min_length=1)] | None = None
    """Only users in these org units and those below them, by their full paths. Groups have no org unit: all groups are
    read."""
    incremental: bool = True
    """Between complete pulls, read only the members of changed groups, found by the group's own row and the audit logs
    of the Reports API. False: every pull reads everything, and needs no access to the logs."""
    per_minute: Annotated[int, Field(ge=1)] = 2400
    """Maximum requests per minute: the value in the Google Cloud console under Admin SDK API, quotas."""
    endpoint: Url = "https://admin.googleapis.com"
    """The address of the Admin SDK."""
    token_endpoint: Url = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
    """The address that issues access tokens."""

    ca_file: str | None = None
    """PEM file of the CAs to trust, relative to the configuration file. Default: the system's, or $SSL_CERT_FILE."""
    proxy: str | None = None
    """The proxy to use, http://HOST:PORT. Default: $HTTPS_PROXY and $NO_PROXY."""
    patience: Annotated[int, Field(ge=1)] = 900
    """Seconds that one request may take, including all waits and retries, before the pull fails."""

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.service_account is None) == (self.keyless is None):
            raise ValueError("give one of service_account (a key file) and keyless (no key)")
        return self

    @model_validator(mode="after")
    def _one_extent(self) -> Self:
        if self.domains and self.customer != MY_CUSTOMER:
            raise ValueError("give one of customer and domains: domains are those of the subject's own customer")
        return self

    @model_validator(mode="after")
    def _units_apart(self) -> Self:
        for unit in self.org_units or ():
            for other in self.org_units or ():
                if unit is not other and within(unit, [other]):
                    raise ValueError(f"the org unit {unit} is within {other}: leave it out")
        return self


def within(unit: str, units: list[str]) -> bool:
    """Whether an org unit is one of ``units`` or below one. Google compares paths without case."""
    path = unit.lower().rstrip("/") + "/"
    return any(path.startswith(each.lower().rstrip("/") + "/") for each in units)
