"""A secret in the configuration file is refused, and the error does not repeat the secret."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from tests.config.writing import DESK, written
from usersyncd.cli.common import print_error
from usersyncd.config import load
from usersyncd.errors import ConfigError

pytestmark = pytest.mark.usefixtures("acme")

OPTIONS = DESK + "    options:\n"

LITERAL = [
    OPTIONS + "      password: hunter2\n",
    OPTIONS + "      password: 'hunter2'\n",
    OPTIONS + "      password: [hunter2]\n",
    OPTIONS + "      password: {value: hunter2}\n",
    OPTIONS + "      password: {credential: [hunter2]}\n",
    OPTIONS + "      password: |\n        hunter2\n",
    OPTIONS + "      password: !hunter2 x\n",
    OPTIONS + "      password: &hunter2 x\n",
    OPTIONS + "      password: *hunter2\n",
    OPTIONS + "      password: @hunter2\n",
    OPTIONS + "      password: a: hunter2\n",
    OPTIONS + "      password: 'hunter2\n",
    OPTIONS + "      passwrod: hunter2\n",
    OPTIONS + "      paswort: hunter2\n",
    OPTIONS + "      inks: {a: {seal: hunter2}}\n",
    OPTIONS + "      inks: {a: {seal: hunter2, blots: x}}\n",
    DESK + "    options: {password: hunter2, torn: maybe, zzz: 1}\n",
    DESK + "    password: hunter2\n",
    "state: {url: 'postgresql://db/x', password: hunter2}\n" + DESK,
]
IN_URL = [
    "state: postgresql://sync:hunter2@db/x\n" + DESK,
    "state: {url: 'postgresql://sync:hunter2@db/x'}\n" + DESK,
    "state: postgresql://sync:p/hunter2@db/x\n" + DESK,
    "state: postgresql://db/x?password=hunter2\n" + DESK,
    "state: mysql://sync:hunter2@db/x\n" + DESK,
    OPTIONS + "      url: paper://desk:hunter2@host\n",
    OPTIONS + "      url: [paper://desk, 'paper://:hunter2@host']\n",
    OPTIONS + "      url: {x: 'paper://desk:hunter2@host'}\n",
    "directories: {desk: {connector: acme-nothing, options: {address: 'https://u:hunter2@host/'}}}\n",
]


@pytest.mark.parametrize("text", [*LITERAL, *IN_URL], ids=range(len(LITERAL) + len(IN_URL)))
def test_a_secret_in_the_file_is_refused_and_never_repeated(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text))
    print_error(caught.value)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + capsys.readouterr().err
    shown += "".join(f"{fault.message}{fault.excerpt}" for fault in caught.value.faults)
    assert "hunter2" not in shown.replace(str(tmp_path), "")
    error: BaseException | None = caught.value
    while error is not None:
        assert "hunter2" not in repr(error)
        error = error.__context__


@pytest.mark.parametrize("text", LITERAL[:2])
def test_the_remedy_for_a_literal_secret_is_a_reference(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"a secret must not be in the file: write \{credential: NAME\}"):
        load(written(tmp_path, text))


@pytest.mark.parametrize("text", IN_URL)
def test_the_remedy_for_a_password_in_a_url_is_a_reference(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"write password: \{credential: NAME\} beside the URL"):
        load(written(tmp_path, text))


@pytest.mark.parametrize(
    "url", ["paper://user@host", "paper://host:8443/users/me@x", "paper://host/a?b=c", "paper://[::1]:389/x"]
)
def test_urls_without_a_password_are_accepted(tmp_path: Path, url: str) -> None:
    load(written(tmp_path, OPTIONS + f"      url: '{url}'\n"))


def test_a_reference_names_exactly_one_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name exactly one of credential, file, env, keyring"):
        load(written(tmp_path, OPTIONS + "      password: {env: A, file: B}\n"))
    with pytest.raises(ConfigError, match="name exactly one of credential, file, env, keyring"):
        load(written(tmp_path, OPTIONS + "      password: {}\n"))
