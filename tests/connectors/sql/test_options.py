"""The options of the SQL target: URLs without drivers, a missing driver, paths."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from usersyncd.errors import PluginError
from usersyncd_sql.engine import driver_url, sqlite_file
from usersyncd_sql.options import SqlOptions


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://me@db/app", "postgresql+psycopg://me:pw@db/app"),
        ("postgres://me@db/app?sslmode=require", "postgresql+psycopg://me:pw@db/app?sslmode=require"),
        ("mysql://me@db:3307/app", "mysql+pymysql://me:pw@db:3307/app"),
        ("mariadb://me@db/app", "mariadb+pymysql://me:pw@db/app"),
        ("POSTGRESQL://Me@db/App", "postgresql+psycopg://Me:pw@db/App"),
        ("MySQL://me@db/app", "mysql+pymysql://me:pw@db/app"),
    ],
)
def test_usersyncd_chooses_the_driver(url: str, expected: str, tmp_path: Path) -> None:
    assert driver_url(SqlOptions(url=url).url, tmp_path, "pw").render_as_string(hide_password=False) == expected


def test_a_relative_path_is_relative_to_the_configuration() -> None:
    folder = Path("/etc/usersyncd")
    assert sqlite_file(driver_url("sqlite:///var/app.db", folder, None)) == folder / "var/app.db"
    assert sqlite_file(driver_url("sqlite:////srv/app.db", folder, None)) == Path("/srv/app.db")
    assert sqlite_file(driver_url("sqlite:///file:app.db?mode=ro&uri=true", folder, None)) is None


@pytest.mark.parametrize(("url", "extra"), [("postgresql://db/app", "postgresql"), ("mariadb://db/app", "mysql")])
def test_a_missing_driver_names_its_extra(
    url: str, extra: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for driver in ("psycopg", "pymysql"):
        monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(PluginError) as raised:
        driver_url(url, tmp_path, None)
    assert raised.value.remedy == f"install the extra: pip install 'usersyncd[{extra}]'"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("oracle://me:hush@db/app", r"oracle:// is not supported: use one of postgresql://, postgres://, mysql://"),
        ("postgresql+asyncpg://me:hush@db/app", r"postgresql\+asyncpg:// is not supported"),
        ("me:hush@db", "not a database URL"),
        ("postgresql://me:hush@db", "has no database name"),
        ("sqlite://", "has no database name"),
        ("sqlite:///:memory:", "has no database name"),
    ],
)
def test_an_invalid_url_is_refused(url: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason) as raised:
        SqlOptions.model_validate({"url": url})
    assert all("hush" not in error["msg"] for error in raised.value.errors())


def test_the_option_for_the_schema_is_called_schema() -> None:
    assert SqlOptions.model_validate({"url": "sqlite:///a", "schema": "app"}).in_schema == "app"
    assert "schema" in SqlOptions.model_json_schema()["properties"]
