"""Profiles: data that an admin may copy and change, with errors that name file and key."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from usersyncd.errors import ConfigError
from usersyncd_scim.options_target import ScimTargetOptions
from usersyncd_scim.profile import BUILT_IN, Profile, load

PROVIDERS = {
    "strict", "slack", "github-emu", "github-org", "salesforce", "aws-identity-center", "atlassian", "gitlab", "zoom",
    "databricks", "snowflake", "entra", "okta", "google-cloud-identity",
}  # fmt: skip
OWN = {"url": "https://api.example/scim/v2", "token": {"env": "TOKEN"}}


def test_the_providers_have_profiles() -> None:
    assert set(BUILT_IN) == PROVIDERS


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_profile_is_valid(name: str, tmp_path: Path) -> None:
    profile = load(name, tmp_path, {})
    assert profile.paths.users["email"] == 'emails[type eq "work"].value'
    assert all("userName" in sent for sent in (profile.required, profile.sends or ["userName"]))


def test_strict_is_the_default(tmp_path: Path) -> None:
    assert load("strict", tmp_path, {}) == Profile()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("updates: put", "updates: Extra inputs are not permitted"),
        ("page_size: many", "page_size: Input should be a valid integer"),
        ("update: post", "update: Input should be 'patch' or 'put'"),
        ("rates: {users: 600}", "rates.users: Input should be a valid string"),
        ("rates: {users: fast}", "rates.users: Value error, write a number and a unit"),
        ("charsets: {userName: '['}", "charsets: Value error, userName: not a regular expression"),
        ("version: '1.1'", "version 1.1 needs update: put and group_update: put"),
        ("group_update: put\nmembers_readable: false", "members_readable must be true"),
        ("update: put\nupdate: patch", "key twice: update"),
        ("- update", "is not a mapping"),
        ("update: [", "is not YAML"),
    ],
)
def test_a_fault_of_a_profile_names_file_and_key(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(text)
    with pytest.raises(ConfigError) as raised:
        load("shop.yaml", tmp_path, {})
    assert str(tmp_path / "shop.yaml") in str(raised.value)
    assert said in str(raised.value)


def test_a_profile_that_does_not_exist_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.yaml cannot be read"):
        load("nothing.yaml", tmp_path, {})
    with pytest.raises(ValidationError, match="no built-in profile has this name: use atlassian, aws"):
        ScimTargetOptions.model_validate({**OWN, "profile": "slak"})


def test_options_override_keys_of_the_profile(tmp_path: Path) -> None:
    options = ScimTargetOptions.model_validate(
        {**OWN, "profile": "slack", "page_size": 50, "rates": {"users": "20/min"}, "paths": {"users": {"title": None}}}
    )
    profile = load(options.profile, tmp_path, options.overrides())
    assert (profile.page_size, profile.find) == (50, "list")
    assert (profile.rates.users, profile.rates.reads) == ("20/min", "1000/min"), "other quotas stay"
    assert profile.paths.users["title"] is None
    assert profile.paths.users["email"] is not None


def test_a_token_does_not_go_over_http() -> None:
    with pytest.raises(ValidationError, match="everybody on the way could read the token"):
        ScimTargetOptions.model_validate(OWN | {"url": "http://api.example/scim"})
    assert ScimTargetOptions.model_validate(OWN | {"url": "HTTP://127.0.0.1:1/scim/"}).url == "http://127.0.0.1:1/scim"


def test_two_workspaces_with_one_address_are_two_places() -> None:
    one, two = (ScimTargetOptions.model_validate(OWN | {"account": name}).places() for name in ("a", "b"))
    assert one != two


def test_rates_are_counted_by_the_minute(tmp_path: Path) -> None:
    rates = load("strict", tmp_path, {"rates": {"users": "1000/h", "reads": "25/s", "writes": "600/min"}}).rates
    assert rates.per_minute() == {"users": 1000 / 60, "reads": 1500.0, "writes": 600.0}
