"""Error bodies as Google sends them."""

from __future__ import annotations

import json

from tests.fakes.google.http import Reply

ADVICE = "See https://developers.google.com/identity/sign-in/web/devconsole-project."


class Refused(Exception):
    """The response is this error."""

    def __init__(self, code: int, message: str, reason: str, domain: str = "global", **more: str) -> None:
        super().__init__(message)
        inner = {"message": message, "domain": domain, "reason": reason}
        error = {"code": code, "message": message, "errors": [inner], **more}
        self.reply = Reply(code, json.dumps({"error": error}).encode())


def unauthenticated() -> Refused:
    words = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        f"authentication credential. {ADVICE}"
    )
    return Refused(401, words, "authError", status="UNAUTHENTICATED")


def forbidden() -> Refused:
    return Refused(403, "Not Authorized to access this resource/api", "forbidden")


def insufficient_scopes() -> Refused:
    words = "Request had insufficient authentication scopes."
    return Refused(403, words, "insufficientPermissions", status="PERMISSION_DENIED")


def disabled(project: int = 123456789012) -> Refused:
    """The Admin SDK is disabled in the service account's project: also an error in the domain of quotas."""
    where = f"https://console.developers.google.com/apis/api/admin.googleapis.com/overview?project={project}"
    words = (
        f"Admin SDK API has not been used in project {project} before or it is disabled. Enable it by visiting {where} "
        "then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems "
        "and retry."
    )
    return Refused(403, words, "accessNotConfigured", "usageLimits", status="PERMISSION_DENIED")


def missing(what: str) -> Refused:
    return Refused(404, f"Resource Not Found: {what}", "notFound")


def no_domain() -> Refused:
    return Refused(404, "Domain not found.", "domainNotFound")


def invalid(words: str, reason: str = "invalid") -> Refused:
    return Refused(400, words, reason)


def throttled(turn: int) -> Refused:
    return (
        Refused(403, "Request rate higher than configured.", "quotaExceeded", "usageLimits"),
        Refused(403, "User Rate Limit Exceeded", "userRateLimitExceeded", "usageLimits"),
        Refused(429, "Rate Limit Exceeded", "rateLimitExceeded", "usageLimits"),
        Refused(503, "Service unavailable. Please try again", "backendError"),
    )[turn % 4]


def oauth(status: int, error: str, description: str) -> Reply:
    """An error of the token endpoint (RFC 6749, section 5.2)."""
    return Reply(status, json.dumps({"error": error, "error_description": description}).encode())


def html(status: int) -> Reply:
    page = (
        "<!DOCTYPE html>\n<html lang=en>\n<meta charset=utf-8>\n<title>Error 502 (Server Error)!!1</title>\n"
        "<p><b>502.</b> <ins>That’s an error.</ins>\n<p>The server encountered a temporary error and could not "
        "complete your request.<p>Please try again in 30 seconds.\n"
    )
    return Reply(status, page.encode(), {"Content-Type": "text/html; charset=UTF-8"})
