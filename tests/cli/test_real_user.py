"""Who is recorded as the person behind a decision."""

from __future__ import annotations

import os
import pwd

import pytest

from usersyncd.cli import real_user
from usersyncd.cli.real_user import UNSET, person_of

ANN, SERVICE = 1000, 990


@pytest.mark.parametrize(
    ("login", "effective", "sudo_user", "real", "person"),
    [
        pytest.param(ANN, 0, "bob", 0, ANN, id="the login counts, also under sudo"),
        pytest.param(0, 0, None, 0, 0, id="root may log in"),
        pytest.param(UNSET, 0, "ann", 0, "ann", id="sudo in a container"),
        pytest.param(None, 0, "ann", 0, "ann", id="a system without login uids"),
        pytest.param(None, 0, None, 0, 0, id="root without sudo"),
        pytest.param(None, 0, "", 0, 0, id="an empty name"),
        pytest.param(UNSET, SERVICE, "ann", SERVICE, SERVICE, id="only root's SUDO_USER is believed"),
        pytest.param(UNSET, SERVICE, None, ANN, ANN, id="the real user of a setuid program"),
    ],
)
def test_the_person_behind_a_process(
    login: int | None, effective: int, sudo_user: str | None, real: int, person: int | str
) -> None:
    assert person_of(login, effective, sudo_user, real) == person


@pytest.mark.parametrize(
    ("person", "name"),
    [
        (os.getuid(), pwd.getpwuid(os.getuid()).pw_name),
        (4_000_000_000, "uid 4000000000"),
        ("ann\n", "ann\\n"),
    ],
)
def test_the_name_of_a_person(monkeypatch: pytest.MonkeyPatch, person: int | str, name: str) -> None:
    monkeypatch.setattr(real_user, "person_of", lambda *_: person)
    assert real_user.real_user() == name
