"""What the rules cost, in microseconds per record, and as a ratio against a Python function that does the same by hand.

Run: ``python -m benchmarks.rules``. Rule and floor are interleaved, and the median of five is taken.
"""

from __future__ import annotations

import statistics
import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from usersyncd.core.model import Rule, Ruleset
from usersyncd.core.rules import Rules, compile_rules
from usersyncd.errors import Place
from usersyncd.plugin import CANONICAL, Kind

NOW = datetime(2026, 11, 27, 12, 30, tzinfo=UTC)

ROUNDS, CALLS = 5, 20_000

Shape = dict[str, Any] | None

MAPPING = {"email": "mail", "userName": "uid", "familyName": "sn", "title": "jobTitle", "phone": "telephoneNumber"}
RAW: dict[str, Any] = {
    "uid": "ada",
    "mail": "Ada.Lovelace@acme.example",
    "givenName": "Ada",
    "sn": "Lovelace",
    "displayName": "Ada Lovelace",
    "active": True,
    "userType": "employee",
    "jobTitle": "Analyst",
    "department": "Engines",
    "division": "Research",
    "costCenter": "4711",
    "organization": "Acme",
    "employeeNumber": "1815",
    "manager": "uid=charles",
    "locale": "en-GB",
    "preferredLanguage": "en",
    "timezone": "Europe/London",
    "telephoneNumber": "+44 20 7946 0000",
    "mobile": "+44 7700 900000",
    "createdAt": "2025-01-01T00:00:00Z",
    "updatedAt": "2026-01-01T00:00:00Z",
}
GROUPS = ["app-admins", "everyone"]
MANAGER = ("77", {"mail": "charles@acme.example"})

TEN_PLAIN = {
    "external_id": "user.id",
    "login": "user.userName",
    "email": "user.email",
    "first": "user.givenName",
    "last": "user.familyName",
    "name": "user.displayName",
    "title": "user.title",
    "department": "user.department",
    "site": "user.raw.organization",
    "manager_email": "user.manager.email",
}
FIVE_CEL = {
    **dict(list(TEN_PLAIN.items())[:5]),
    "email_lower": "user.email.lowerAscii()",
    "full_name": 'user.givenName + " " + user.familyName',
    "role": '"app-admins" in user.groups ? "admin" : "member"',
    "internal": 'user.email.endsWith("@acme.example")',
    "unit": 'user.title == "Analyst" ? user.department : user.division',
}
WHERE = 'user.active && user.email.contains("@")'
CANONICAL_TO_NATIVE = [(name, MAPPING.get(name, name)) for name in CANONICAL[Kind.USER]]


def rules(set: dict[str, str] | None = None, where: str | None = None) -> Rules:  # noqa: A002 - as in the configuration
    users = Ruleset(
        where=Rule(where, Place("benchmark")) if where else None,
        key="external_id" if set else None,
        set={name: Rule(text, Place("benchmark")) for name, text in set.items()} if set else None,
    )
    return compile_rules(
        directory="acme",
        mapping={Kind.USER: MAPPING},
        attributes={},
        users=users,
        groups=Ruleset(),
        lookups={},
        deactivates=False,
    )


def by_hand_canonical(id: str, raw: dict[str, Any], manager: tuple[str, dict[str, Any]]) -> Shape:  # noqa: A002
    get = raw.get
    shape = {name: get(native) or None for name, native in CANONICAL_TO_NATIVE}
    shape["id"], shape["manager"] = id, manager[0]
    return shape


def by_hand_plain(id: str, raw: dict[str, Any], manager: tuple[str, dict[str, Any]]) -> Shape:  # noqa: A002
    get = raw.get
    return {
        "external_id": id,
        "login": get("uid") or None,
        "email": get("mail") or None,
        "first": get("givenName") or None,
        "last": get("sn") or None,
        "name": get("displayName") or None,
        "title": get("jobTitle") or None,
        "department": get("department") or None,
        "site": get("organization") or None,
        "manager_email": manager[1].get("mail") or None,
    }


def by_hand_five(id: str, raw: dict[str, Any], groups: list[str]) -> Shape:  # noqa: A002
    get = raw.get
    mail, given, family = get("mail") or "", get("givenName") or "", get("sn") or ""
    if not (raw.get("active", True) and "@" in mail):
        return None
    return {
        "external_id": id,
        "login": get("uid") or None,
        "email": mail or None,
        "first": given or None,
        "last": family or None,
        "email_lower": mail.lower() or None,
        "full_name": f"{given} {family}",
        "role": "admin" if "app-admins" in groups else "member",
        "internal": mail.endswith("@acme.example"),
        "unit": get("department") if get("jobTitle") == "Analyst" else get("division"),
    }


def main() -> None:
    none, plain, five = rules(), rules(TEN_PLAIN), rules(FIVE_CEL, WHERE)
    cases: dict[str, tuple[Callable[[], Shape], Callable[[], Shape]]] = {
        "no rules: 24 canonical attributes": (
            lambda: none.shape_user("1", RAW, GROUPS, MANAGER, now=NOW).shape,
            lambda: by_hand_canonical("1", RAW, MANAGER),
        ),
        "10 plain paths": (
            lambda: plain.shape_user("1", RAW, GROUPS, MANAGER, now=NOW).shape,
            lambda: by_hand_plain("1", RAW, MANAGER),
        ),
        "where, 5 plain paths, 5 CEL": (
            lambda: five.shape_user("1", RAW, GROUPS, MANAGER, now=NOW).shape,
            lambda: by_hand_five("1", RAW, GROUPS),
        ),
    }
    print(f"{'µs per record':36}{'rules':>8}{'by hand':>10}{'ratio':>8}")
    for name, (ruled, by_hand) in cases.items():
        if ruled() != by_hand():
            raise SystemExit(f"{name}: the two disagree:\n{ruled()}\n{by_hand()}")
        pairs = [(timeit.timeit(ruled, number=CALLS), timeit.timeit(by_hand, number=CALLS)) for _ in range(ROUNDS)]
        cost, floor = (statistics.median(side) / CALLS * 1e6 for side in zip(*pairs, strict=True))
        print(f"{name:36}{cost:8.2f}{floor:10.2f}{cost / floor:8.1f}")


if __name__ == "__main__":
    main()
