"""systemd's own tools check the unit file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.servers.process import program

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd" / "usersyncd.service"
PROGRAM = "/opt/usersyncd/bin/usersyncd"


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit file with a program that exists here: systemd-analyze rejects a missing one."""
    text = UNIT.read_text()
    assert f"ExecStart={PROGRAM} -c /etc/usersyncd/config.yaml run\n" in text
    copy = tmp_path / UNIT.name
    copy.write_text(text.replace(PROGRAM, "/bin/true"))
    return copy


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [program("systemd-analyze", "systemd"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_unit_is_valid(unit: Path) -> None:
    """An unknown key is only a warning on standard error, with exit code 0."""
    verified = analyze("verify", str(unit))
    assert (verified.returncode, verified.stderr) == (0, "")


def test_the_check_detects_an_unknown_key(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("[Service]", "[Service]\nWatchdogSeconds=60"))
    assert "WatchdogSeconds" in analyze("verify", str(unit)).stderr


def test_the_unit_is_hardened(unit: Path) -> None:
    """Exposure, from 0 to 10 in tenths; a unit that says only User= has 9.5."""
    judged = analyze("security", "--offline=true", "--threshold=20", str(unit))
    assert judged.returncode == 0, judged.stdout[-2000:]
