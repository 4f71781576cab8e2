"""Sign-in: errors have Google's message and say what to grant."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.connectors.google.directory import KEY, Directory
from tests.fakes.google import Google
from tests.fakes.google.signing import SCOPES, WORKLOAD, key_pair
from usersyncd.errors import ConfigError, SourceError

Start = Callable[..., Directory]
ACCOUNT = "sync@acme-directory.iam.gserviceaccount.com"


async def refusal(directory: Directory) -> str:
    """The error of a pull; the check must fail with the same one."""
    with pytest.raises(SourceError) as raised:
        await directory.pull()
    with pytest.raises(SourceError) as again:
        await directory.source().check()
    assert str(again.value) == str(raised.value)
    return str(raised.value)


async def test_no_delegation_at_all(directory: Directory) -> None:
    directory.google.accounts.granted = set()
    assert await refusal(directory) == (
        f"unauthorized_client: {ACCOUNT} may act for grace.admin@acme.example with none of the required scopes\n"
        "  → grant domain-wide delegation to the client ID 104857600000000000042 with the OAuth scopes "
        "https://www.googleapis.com/auth/admin.directory.user.readonly, "
        "https://www.googleapis.com/auth/admin.directory.group.readonly, "
        "https://www.googleapis.com/auth/admin.reports.audit.readonly (Admin console → Security → Access and data "
        "control → API controls → Manage Domain Wide Delegation); a grant takes effect after up to 24 hours"
    )


@pytest.mark.parametrize("missing", ["directory.user", "directory.group", "directory.orgunit", "reports.audit"])
async def test_a_missing_scope_is_named(start: Start, missing: str) -> None:
    directory = start(org_units=["/Staff"])
    directory.google.accounts.granted = {scope for scope in SCOPES if missing not in scope}
    said, _, remedy = (await refusal(directory)).partition("\n")
    assert said.endswith(f"but not with https://www.googleapis.com/auth/admin.{missing}.readonly")
    assert "the client ID 104857600000000000042" in remedy


async def test_only_the_needed_scopes_are_requested(start: Start) -> None:
    directory = start(incremental=False)
    directory.google.accounts.granted = {scope for scope in SCOPES if "user" in scope or "group" in scope}
    await directory.sync()
    directory.assert_equal()


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (
            lambda google: google.tenant.users.clear(),
            "invalid_grant: Invalid email or User ID\n  → correct the option subject",
        ),
        (
            lambda google: setattr(google.accounts, "key", "second"),
            f"Invalid JWT Signature.\n  → the key of {ACCOUNT} has expired or was deleted: create a new one",
        ),
        (
            lambda google: setattr(google.accounts, "known", False),
            f"account not found\n  → check that the service account {ACCOUNT} was neither deleted nor disabled",
        ),
        (
            lambda google: google.tenant.admins.clear(),
            "403: Not Authorized to access this resource/api\n  → grace.admin@acme.example must be an administrator",
        ),
        (
            lambda google: setattr(google, "api_enabled", False),
            "enable the Admin SDK API in the Google Cloud project",
        ),
    ],
    ids=["subject", "key", "account", "role", "api"],
)
async def test_sign_in_errors_give_cause_and_remedy(
    directory: Directory, break_it: Callable[[Google], object], words: str
) -> None:
    break_it(directory.google)
    assert words in await refusal(directory)


async def test_a_subject_that_is_not_a_user_of_the_customer(start: Start) -> None:
    assert "correct the option subject: Google has no user nobody@acme.example" in await refusal(
        start(subject="nobody@acme.example")
    )


async def test_a_disabled_api_is_not_retried(directory: Directory) -> None:
    """Google reports it in the domain of quotas, which are retried."""
    directory.google.api_enabled = False
    await refusal(directory)
    assert directory.google.calls["users.get"] == 2


async def test_a_foreign_customer(start: Start) -> None:
    assert "INVALID_CUSTOMER_ID\n  → correct the option customer" in await refusal(start(customer="C0nobody"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not json", "JSON is malformed"),
        ('{"type": "authorized_user"}', "Invalid value 'authorized_user'"),
        ('{"type": "service_account", "client_email": "a@b.c"}', "missing required field `private_key`"),
        (
            '{"type": "service_account", "client_email": "a@b.c", "private_key": "SECRET"}',
            "its private_key cannot be read",
        ),
    ],
)
async def test_text_that_is_not_a_key_file(
    directory: Directory, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    monkeypatch.setenv(KEY, text)
    with pytest.raises(ConfigError) as raised:
        await directory.pull()
    assert words in str(raised.value)
    assert f"service_account (env {KEY})" in str(raised.value)
    assert "SECRET" not in str(raised.value)


async def test_a_key_file_by_path(directory: Directory) -> None:
    (directory.folder / "key.json").write_text(directory.google.accounts.key_file(directory.google.token_url))
    directory.options["service_account"] = {"file": "key.json"}
    await directory.sync()
    directory.assert_equal()


async def test_a_wrong_token_endpoint(start: Start) -> None:
    directory = start()
    directory.options["token_endpoint"] = f"{directory.google.url}/sts"
    assert "no access token" in await refusal(directory)


# ------------------------------------------------------------------------------------------------------------- keyless


def federation(google: Google, folder: Path, **changes: Any) -> str:
    """The configuration file of workload identity federation."""
    (folder / "workload.token").write_text(WORKLOAD)
    return json.dumps({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{google.url}/sts",
        "credential_source": {"file": str(folder / "workload.token")},
        **changes,
    })  # fmt: skip


@pytest.fixture
def keyless(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> Directory:
    """A directory that is read without a key file."""
    del directory.options["service_account"]
    monkeypatch.setenv("FEDERATION", federation(directory.google, directory.folder))
    directory.options["keyless"] = {
        "service_account": ACCOUNT,
        "credentials": {"env": "FEDERATION"},
        "endpoint": directory.google.url,
    }
    return directory


async def test_keyless_sign_in(keyless: Directory) -> None:
    await keyless.sync()
    keyless.assert_equal()
    assert (keyless.google.calls["sts"], keyless.google.calls["signJwt"]) == (1, 1)


async def test_keyless_sign_in_with_default_credentials(keyless: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    file = keyless.folder / "federation.json"
    file.write_text(federation(keyless.google, keyless.folder))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    del keyless.options["keyless"]["credentials"]
    await keyless.sync()
    keyless.assert_equal()


async def test_an_account_without_the_right_to_sign(keyless: Directory) -> None:
    keyless.options["keyless"]["service_account"] = "other@acme-directory.iam.gserviceaccount.com"
    said = await refusal(keyless)
    assert "403: Permission 'iam.serviceAccounts.signJwt' denied" in said
    assert "the role Service Account Token Creator" in said


async def test_a_workload_with_an_invalid_token(keyless: Directory) -> None:
    (keyless.folder / "workload.token").write_text("another")
    assert "the workload's own credentials cannot be used" in await refusal(keyless)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"type": "nonsense"}'])
async def test_text_that_is_not_a_federation_configuration(
    keyless: Directory, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("FEDERATION", text or " ")
    assert "credentials" in await refusal(keyless)


async def test_a_machine_without_credentials(keyless: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(keyless.folder))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    del keyless.options["keyless"]["credentials"]
    assert "this machine has no credentials for signing" in await refusal(keyless)


async def test_cancelling_while_the_workload_waits_for_its_token(keyless: Directory) -> None:
    keyless.google.knobs.latency = 60
    threads = threading.active_count()
    pull = asyncio.ensure_future(keyless.pull())
    while not keyless.google.waiting:  # noqa: ASYNC110 - it is counted in another thread
        await asyncio.sleep(0.01)
    began = time.monotonic()
    pull.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pull
    assert time.monotonic() - began < 20
    assert threading.active_count() == threads
    assert not [entry for entry in keyless.log.entries if entry["log_level"] == "warning"]


def test_the_key_pairs_of_the_tests_differ() -> None:
    assert key_pair("first") != key_pair("second")
