"""The plugin contract: what usersyncd passes to a connector and what the connector returns.

A *source* connector reads one directory, a *target* connector delivers to one target. Both are plain classes, named by
an entry point in the group ``usersyncd.sources`` or ``usersyncd.targets``, and constructed once per run::

    Source(options, context)        Target(options, context)

where ``options`` is an instance of the class's own ``Options`` model, already validated. A connector imports only this
package (not its modules) and :mod:`usersyncd.errors` from usersyncd; everything else that it needs (secrets, HTTP,
threads, the log) comes through its context. It never retries, never sleeps and never logs a secret.
"""

from __future__ import annotations

from usersyncd.plugin.answers import http_date
from usersyncd.plugin.context import PATIENT, Context, Patience
from usersyncd.plugin.creates import Creates
from usersyncd.plugin.duration import DURATION, Duration, duration
from usersyncd.plugin.items import Done, Gone, Members, Page, Patch, Present, Record, Unread
from usersyncd.plugin.options import OptionFile, Options, Secret, refuse_short_token, scheme_lowered
from usersyncd.plugin.person import Listed, Person, PersonSource
from usersyncd.plugin.receiving import AccessToken, ClientCredentials, Quota, Receiving, ReceivingSource
from usersyncd.plugin.records import CANONICAL, Kind, Value
from usersyncd.plugin.source import Source, SourceContext
from usersyncd.plugin.stream import StreamOptions, Webhook
from usersyncd.plugin.target import (
    DELIVERED,
    PROTECTED,
    Capabilities,
    Change,
    Edge,
    Held,
    Inspectable,
    Layout,
    Lookup,
    Member,
    Op,
    Outcome,
    RenamingTarget,
    Target,
    TargetContext,
    holds_protected,
)
from usersyncd.words import many, quoted

API = 2
"""The version of this contract. A connector states it in ``api``; a connector with another number is refused when it is
loaded."""

__all__ = [
    "API", "CANONICAL", "DELIVERED", "DURATION", "PATIENT", "PROTECTED", "AccessToken", "Capabilities", "Change",
    "ClientCredentials", "Context", "Creates", "Done", "Duration", "Edge", "Gone", "Held", "Inspectable", "Kind",
    "Layout", "Listed", "Lookup", "Member", "Members", "Op", "OptionFile", "Options", "Outcome", "Page", "Patch",
    "Patience", "Person", "PersonSource", "Present", "Quota", "Receiving", "ReceivingSource", "Record",
    "RenamingTarget", "Secret", "Source", "SourceContext", "StreamOptions", "Target", "TargetContext", "Unread",
    "Value", "Webhook", "duration", "holds_protected", "http_date", "many", "quoted", "refuse_short_token",
    "scheme_lowered",
]  # fmt: skip
