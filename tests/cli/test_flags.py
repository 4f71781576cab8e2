"""Help of commands: what an option takes."""

from __future__ import annotations

import re

from tests.cli.running import Usersyncd


def test_help_shows_a_flag_without_a_type(usersyncd: Usersyncd) -> None:
    for command in ([], ["plan"], ["approve"]):
        shown = usersyncd(*command, "--help").out
        assert "--help" in shown
        assert not re.search(r"<bool>|BOOLEAN", shown)
