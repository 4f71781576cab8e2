"""Finds the groups whose members a plan compares completely."""

from __future__ import annotations

from sqlalchemy import Connection, or_, select

from usersyncd.state.candidates import Selection
from usersyncd.state.moments import as_text
from usersyncd.state.tables import link_members, memberships, records, retries


def all_groups(connection: Connection, selection: Selection) -> set[int]:
    """All groups that have members in the directory or in the target."""
    here = select(memberships.c.ref).where(memberships.c.directory == selection.directory)
    held = (
        select(link_members.c.ref)
        .join(records, records.c.ref == link_members.c.ref)
        .where(link_members.c.target == selection.target, records.c.directory == selection.directory)
    )
    return {*connection.scalars(here), *connection.scalars(held)}


def retried_groups(connection: Connection, selection: Selection) -> set[int]:
    """The groups that failed in the last delivery, without those that wait."""
    query = select(memberships.c.ref).join(retries, retries.c.ref == memberships.c.ref)
    of_share = memberships.c.directory == selection.directory, retries.c.target == selection.target
    if selection.patient and selection.now is not None:
        query = query.where(or_(retries.c.due.is_(None), retries.c.due <= as_text(selection.now)))
    return set(connection.scalars(query.where(*of_share)))
