"""Generalized time is converted to ISO 8601."""

from __future__ import annotations

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from usersyncd_ldap.fields import iso_8601


@pytest.mark.parametrize(
    ("generalized", "iso"),
    [
        ("20240131120000Z", "2024-01-31T12:00:00Z"),
        ("202401311200Z", "2024-01-31T12:00:00Z"),
        ("2024013112Z", "2024-01-31T12:00:00Z"),
        ("20240131120000.123456Z", "2024-01-31T12:00:00.123456Z"),
        ("20240131120000,5+0130", "2024-01-31T12:00:00.5+01:30"),
        ("20240131120000-05", "2024-01-31T12:00:00-05:00"),
        ("2024013112.5Z", "2024013112.5Z"),
        ("yesterday", "yesterday"),
        (["20240131120000Z"], ["20240131120000Z"]),
    ],
)
def test_generalized_time(generalized: str, iso: str) -> None:
    assert iso_8601(generalized) == iso
