"""The options of a Google directory."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from usersyncd_google.options import GoogleOptions

KEY = {"service_account": {"file": "key.json"}, "subject": "Admin@acme.example"}


def test_the_minimal_options() -> None:
    options = GoogleOptions.model_validate(KEY)
    assert options.subject == "admin@acme.example"
    assert options.customer == "my_customer"
    assert options.endpoint == "https://admin.googleapis.com"
    assert options.incremental


def test_the_examples_in_the_docs_are_valid() -> None:
    page = (Path(__file__).parents[3] / "docs" / "google.md").read_text("utf-8")
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    assert len(blocks) == 3
    for block in blocks:
        options = block["directories"]["workspace"]["options"] if "directories" in block else block["options"]
        GoogleOptions.model_validate(options)


@pytest.mark.parametrize("name", GoogleOptions.model_fields)
def test_every_option_is_documented(name: str) -> None:
    assert f"`{name}" in (Path(__file__).parents[3] / "docs" / "google.md").read_text("utf-8")


def test_org_units_and_domains_are_normalised() -> None:
    options = GoogleOptions.model_validate({**KEY, "org_units": ["/Staff/"], "domains": ["Acme.example"]})
    assert options.org_units == ["/Staff"]
    assert options.domains == ["acme.example"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"service_account": None}, "give one of service_account"),
        ({"keyless": {"service_account": "a@b.iam.gserviceaccount.com"}}, "give one of service_account"),
        ({"service_account": "-----BEGIN"}, "a secret must not be in the file"),
        ({"subject": "admin"}, "not an e-mail address"),
        ({"customer": "C1", "domains": ["acme.example"]}, "give one of customer and domains"),
        ({"domains": []}, "at least 1 item"),
        ({"domains": ["@acme.example"]}, "is not a domain"),
        ({"org_units": ["Staff"]}, "begins with /"),
        ({"org_units": ["/Staff", "/staff/Engineering"]}, "/staff/Engineering is within /Staff: leave it out"),
        ({"endpoint": "http://admin.googleapis.com"}, "would be sent unencrypted"),
        ({"endpoint": "HTTP://admin.googleapis.com"}, "would be sent unencrypted"),
        ({"endpoint": "admin.googleapis.com"}, "is not the address of a server"),
        ({"token_endpoint": "http://10.0.0.1/token"}, "would be sent unencrypted"),
        ({"per_minute": 0}, "greater than or equal to 1"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        GoogleOptions.model_validate({**KEY, **changes})


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost:8080/"])
def test_a_test_endpoint_on_this_machine_needs_no_tls(url: str) -> None:
    assert GoogleOptions.model_validate({**KEY, "endpoint": url}).endpoint == url.rstrip("/")
