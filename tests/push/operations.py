"""Short forms of requests, as the protocol hands them to the store."""

from __future__ import annotations

from typing import Any

from usersyncd.plugin import Kind
from usersyncd.scim.patch import MemberEdits, PatchStep, PatchTarget, ResourcePatch
from usersyncd.scim.store import CreateResource, DeleteResource, PatchResource, ReplaceResource

CORE = {
    Kind.USER: "urn:ietf:params:scim:schemas:core:2.0:User",
    Kind.GROUP: "urn:ietf:params:scim:schemas:core:2.0:Group",
}


def user(name: str, **attributes: Any) -> dict[str, Any]:
    return {"schemas": [CORE[Kind.USER]], "userName": name, **attributes}


def group(name: str, **attributes: Any) -> dict[str, Any]:
    return {"schemas": [CORE[Kind.GROUP]], "displayName": name, **attributes}


def post(name: str, **attributes: Any) -> CreateResource:
    return CreateResource(Kind.USER, user(name, **attributes), ())


def post_group(name: str, *members: str, **attributes: Any) -> CreateResource:
    return CreateResource(Kind.GROUP, group(name, **attributes), members)


def put(id_: str, name: str, *, if_match: str | None = None, **attributes: Any) -> ReplaceResource:
    return ReplaceResource(Kind.USER, id_, user(name, **attributes), None, if_match)


def put_group(id_: str, name: str, members: tuple[str, ...] | None, *, if_match: str | None = None) -> ReplaceResource:
    return ReplaceResource(Kind.GROUP, id_, group(name), members, if_match)


def patch(id_: str, kind: Kind = Kind.USER, *, if_match: str | None = None, **attributes: Any) -> PatchResource:
    """Replaces attributes; None removes one."""
    steps = tuple(
        PatchStep("remove" if value is None else "replace", PatchTarget(name), value)
        for name, value in attributes.items()
    )
    return PatchResource(kind, id_, ResourcePatch(kind, steps), if_match)


def edit(
    id_: str,
    *,
    add: tuple[str, ...] = (),
    remove: tuple[str, ...] = (),
    whole: tuple[str, ...] | None = None,
    if_match: str | None = None,
) -> PatchResource:
    """Changes the members of a group."""
    edits = MemberEdits(whole, add, remove)
    return PatchResource(Kind.GROUP, id_, ResourcePatch(Kind.GROUP, (), edits), if_match)


def delete(id_: str, kind: Kind = Kind.USER, *, if_match: str | None = None) -> DeleteResource:
    return DeleteResource(kind, id_, if_match)
