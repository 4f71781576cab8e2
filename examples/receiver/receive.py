"""Receives webhooks of usersyncd, verifies each signature, and prints a line for each event (docs/events.md).

CRM_SECRET=whsec_… python receive.py 127.0.0.1:8480
"""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

LONGEST = 100_000
"""The largest body that is read, in bytes: usersyncd sends at most 20,000."""


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 to an event with the right signature, and 401 to everything else."""

    def do_POST(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("content-length", 0)), LONGEST))
        try:
            event = Webhook(os.environ["CRM_SECRET"]).verify(body, dict(self.headers))
        except WebhookVerificationError:
            self.send_response(401)
        else:
            print(event["sequence"], event["type"], event["after"] and event["after"].get("userName"), flush=True)
            self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the library
        """Print events only."""


if __name__ == "__main__":
    host, _, port = sys.argv[1].rpartition(":")
    HTTPServer((host, int(port)), Receiver).serve_forever()
