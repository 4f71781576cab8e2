"""Compares the keys under ``protect`` with what a target holds."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from usersyncd.context import TargetRunContext
from usersyncd.core.protection import UNPROTECTED
from usersyncd.deliver.objects import is_readable
from usersyncd.errors import TargetError
from usersyncd.plugin import Kind, Lookup, Target
from usersyncd.words import many

Key = str | int


async def protected_by_key(target: Target, context: TargetRunContext) -> tuple[list[str], list[str]]:
    """Count the objects that the keys under ``protect`` cover, and warn of each key that covers none.

    Raises TargetError.
    """
    listed = {kind: context.protection.get(kind, UNPROTECTED).written for kind in Kind}
    if not is_readable(target) or not any(listed.values()):
        return [], []
    found = {kind: await _found(target, context, kind, keys) for kind, keys in listed.items()}
    count = {kind: len({target_id for target_ids in found[kind].values() for target_id in target_ids}) for kind in Kind}
    covered = " and ".join(many(count[kind], kind.value) for kind in Kind if listed[kind])
    warnings = []
    for key in dict.fromkeys(key for keys in listed.values() for key in keys):
        kinds = [kind for kind in Kind if key in listed[kind]]
        if not any(key in found[kind] for kind in kinds):
            warnings.append(
                f"`protect` names {key}, and the target has no {' or '.join(kinds)} with exactly this key: correct it, "
                "or take it out"
            )
    return [f"the keys under `protect` cover {covered}"], warnings


async def _found(
    target: Target, context: TargetRunContext, kind: Kind, keys: tuple[Key, ...]
) -> Mapping[Key, set[str]]:
    """The target ids of the protected objects, by key."""
    # Where a key identifies a record within its directory, it stands for the id too.
    lookups = [Lookup(directory, str(key), key) for directory in context.directories for key in keys]
    found: dict[Key, set[str]] = {}
    with suppress(TargetError):  # The target takes no records of this kind: its own `check` has passed.
        async for asked, held in target.find(kind, lookups):
            if context.protected(kind, held.key, held.attributes):
                found.setdefault(asked.key, set()).add(held.target_id)
    return found
