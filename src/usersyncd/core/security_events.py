"""Events as claims of Security Event Tokens: the SCIM profile (RFC 9967) and CAEP 1.0.

The subject is in ``sub_id`` with the format ``scim``, never in ``sub`` (RFC 9967, section 2.1). Attributes have their
paths in SCIM where they are canonical; other names are used as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from usersyncd.core.events import LONGEST, Event, to_json

PROVISIONING = "urn:ietf:params:scim:event:prov:"
SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
_CORE = "urn:ietf:params:scim:schemas:core:2.0:"
_SCHEMAS = {"user": f"{_CORE}User", "group": f"{_CORE}Group"}
_PLACES = {"user": "Users", "group": "Groups"}
_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

_PATHS = {
    "givenName": "name.givenName",
    "familyName": "name.familyName",
    "email": 'emails[type eq "work"].value',
    "phone": 'phoneNumbers[type eq "work"].value',
    "mobile": 'phoneNumbers[type eq "mobile"].value',
    **{name: f"{ENTERPRISE}:{name}" for name in ("employeeNumber", "costCenter", "organization", "division")},
    "department": f"{ENTERPRISE}:department",
    "manager": f"{ENTERPRISE}:manager.value",
}
"""The paths of canonical attributes that are not top-level attributes of SCIM."""
_MULTI = {"email": ("emails", "work"), "phone": ("phoneNumbers", "work"), "mobile": ("phoneNumbers", "mobile")}


def claims_of(event: Event, issuer: str, audience: str, *, revoke: bool) -> list[dict[str, Any]]:
    """The claims of the tokens that stand for one event: one for SCIM, and one for CAEP if ``revoke`` says so and the
    user was deactivated or deleted. All attempts have the same claims."""
    body = event.body
    occurred = int(datetime.fromisoformat(body["occurred_at"]).timestamp())
    held = body["object"]
    subject = {
        "format": "scim",
        "uri": f"/{_PLACES[held['kind']]}/{held['id']}",
        "externalId": held["record"],
    }
    common = {"iss": issuer, "aud": audience, "iat": occurred, "txn": event.id, "sub_id": subject}
    tokens = [{**common, "jti": event.id, "events": _provisioning(event)}]
    if revoke and event.type in ("user.deactivated", "user.deleted"):
        reason = {"en": f"the account was {event.type.removeprefix('user.')}"}
        revoked = {"event_timestamp": occurred, "initiating_entity": "policy", "reason_admin": reason}
        tokens.append({**common, "jti": f"{event.id}-session-revoked", "events": {SESSION_REVOKED: revoked}})
    return tokens


def _provisioning(event: Event) -> dict[str, Any]:
    """The SCIM events of one event. A user who is activated or deactivated may have other changes, too."""
    kind, what = event.type.split(".")
    version = f'W/"{event.number}"'
    if what == "deleted":
        return {f"{PROVISIONING}delete": {}}
    if what in ("member_added", "member_removed"):
        return {f"{PROVISIONING}patch:full": {"version": version, "data": _member(event.body["member"], what)}}
    after, changed = event.body["after"], event.body["changed"]
    if after is None or len(to_json(event.body, None)) > LONGEST:
        name = "create" if what == "created" else "patch"
        notice = {"version": version, "attributes": [_PATHS.get(one, one) for one in changed]}
        found: dict[str, Any] = {f"{PROVISIONING}{name}:notice": notice}
    elif what == "created":
        found = {f"{PROVISIONING}create:full": {"version": version, "data": _resource(kind, event, after)}}
    else:
        found = {f"{PROVISIONING}patch:full": {"version": version, "data": _patch(after, changed)}}
    if what == "deactivated":
        found = {f"{PROVISIONING}deactivate": {}} | (found if set(changed) - {"active"} else {})
    if what == "reactivated":
        found = {f"{PROVISIONING}activate": {}} | (found if set(changed) - {"active"} else {})
    return found


def _member(member: Mapping[str, Any], what: str) -> dict[str, Any]:
    id_ = member["id"]
    add = {"op": "add", "path": "members", "value": [{"value": id_, "$ref": f"/{_PLACES[member['kind']]}/{id_}"}]}
    remove = {"op": "remove", "path": f'members[value eq "{id_}"]'}
    return {"schemas": [_PATCH], "Operations": [add if what == "member_added" else remove]}


def _patch(after: Mapping[str, Any], changed: list[str]) -> dict[str, Any]:
    operations = [
        {"op": "remove", "path": _PATHS.get(name, name)}
        if after.get(name) is None
        else {"op": "replace", "path": _PATHS.get(name, name), "value": after[name]}
        for name in changed
        if name != "id"
    ]
    return {"schemas": [_PATCH], "Operations": operations}


def _resource(kind: str, event: Event, after: Mapping[str, Any]) -> dict[str, Any]:
    held = event.body["object"]
    found: dict[str, Any] = {"schemas": [_SCHEMAS[kind]], "id": held["id"], "externalId": held["record"]}
    extension: dict[str, Any] = {}
    for name, value in after.items():
        path = _PATHS.get(name, name) if kind == "user" else name
        if value is None or name in ("id", "externalId"):
            continue
        if name in _MULTI and kind == "user":
            attribute, type_ = _MULTI[name]
            found.setdefault(attribute, []).append({"type": type_, "value": value})
        elif path.startswith(ENTERPRISE):
            extension[name] = {"value": value} if name == "manager" else value
        elif path.startswith("name."):
            found.setdefault("name", {})[name] = value
        else:
            found[name] = value
    if extension:
        found["schemas"].append(ENTERPRISE)
        found[ENTERPRISE] = extension
    return found
