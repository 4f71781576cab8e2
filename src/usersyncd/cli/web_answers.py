"""Whether the web service of the daemon answers: directories that push have no interval that a dead daemon misses."""

from __future__ import annotations

import http.client
import os
import ssl
from contextlib import closing

from msgspec import Struct

from usersyncd.config import Config
from usersyncd.config.web import WebConfig

PATIENCE = 3.0
"""Seconds that the web service has to answer."""
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not bound here
"""An address of this machine for each that means all of them."""


class SilentWebService(Struct, frozen=True):
    """The web service does not answer, or does not accept requests. ``address``: where it should."""

    address: str
    message: str
    remedy: str


def silent_web_service(config: Config) -> SilentWebService | None:
    """Ask the web service whether it is ready. None: it is, or there is none."""
    if config.web is None:
        return None
    address = f"{config.web.host}:{config.web.port}"
    try:
        code = _asked(config.web)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error) or "no answer"
    except http.client.HTTPException:
        why = "another program listens there"
    else:
        if code == http.HTTPStatus.OK:
            return None
        why = f"it is not ready ({code})"
    return SilentWebService(
        address,
        f"the web service does not answer at {address}: {why}",
        "is the daemon running, on this machine? `systemctl status usersyncd`",
    )


def _asked(web: WebConfig) -> int:
    """The status of the answer. Raises OSError and HTTPException."""
    host = _ANY.get(web.host.strip("[]"), web.host.strip("[]"))
    if web.tls is None:
        connection = http.client.HTTPConnection(host, web.port, timeout=PATIENCE)
    else:
        # The certificate names the public address; nothing secret is sent.
        unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, web.port, timeout=PATIENCE, context=unchecked)
    with closing(connection):
        connection.request("GET", "/readyz")
        return connection.getresponse().status


# ---- for a person


def show_silent(found: SilentWebService) -> None:
    """Print it, with what to do."""
    from rich.text import Text

    from usersyncd.cli import text

    text.show(text.BLANK, Text(text.clean(found.message), style="bold red"))
    text.show(text.hanging("  → ", text.clean(found.remedy)))
