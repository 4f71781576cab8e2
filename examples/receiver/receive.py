"""Receives webhooks of usersyncd, verifies each signature, and prints a line for each event (docs/events.md).

CRM_SECRET=whsec_… python receive.py 127.0.0.1:8480
"""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

LONGEST = 100_000
"""The largest body that is read, in bytes: usersyncd sends at most 20,000."""


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 to an event with the right signature, 401 to another signature, 400 to what is not a message, and 500
    to an event that it cannot take. It always answers: without an answer, usersyncd takes the application for down."""

    def do_POST(self) -> None:
        self.send_response(self._received())
        self.end_headers()

    def _received(self) -> int:
        try:
            body = self.rfile.read(min(int(self.headers["content-length"]), LONGEST))
            event = Webhook(os.environ["CRM_SECRET"]).verify(body, dict(self.headers))
        except WebhookVerificationError:
            return 401
        except (TypeError, ValueError):
            return 400
        try:
            print(line(event), flush=True)
        except Exception as error:
            print(f"not taken: {error!r}", file=sys.stderr, flush=True)
            return 500
        return 204

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the library
        """Print events only."""


def line(event: dict[str, Any]) -> str:
    """What an event says: its number, its type, and the name of what it is about. An erased person has no name."""
    attributes = event["after"] or event["before"] or {}
    name = attributes.get("userName") or attributes.get("displayName") or event["object"]["key"]
    member = f" {event['member']['key']}" if "member" in event else ""
    return f"{event['sequence']} {event['type']} {name}{member}"


if __name__ == "__main__":
    host, _, port = sys.argv[1].rpartition(":")
    HTTPServer((host, int(port)), Receiver).serve_forever()
