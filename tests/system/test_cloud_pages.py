"""The first configuration on the pages of the cloud directories works unchanged, against a fake."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

pytest.importorskip("msal", reason="the extra entra is not installed")
pytest.importorskip("googleapiclient", reason="the extra google is not installed")

from tests.cli.conftest import usersyncd
from tests.cli.running import Usersyncd
from tests.system.cloud import CLOUDS
from tests.system.example import query
from tests.system.test_systemd import ROOT
from usersyncd.http_client import Clock

__all__ = ["usersyncd"]


def first_configuration(page: str) -> dict[str, Any]:
    text = (ROOT / "docs" / page).read_text("utf-8").partition("## From nothing to the first run")[2]
    found = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert found
    return dict(yaml.safe_load(found[1]))


@pytest.mark.parametrize("name", CLOUDS)
def test_the_first_configuration_of_the_page_works(name: str, tmp_path: Path, usersyncd: Usersyncd) -> None:
    def printed(*arguments: str) -> str:
        ran = usersyncd(*arguments)
        assert ran.code == 0, ran.out + ran.err
        return ran.out

    cloud = CLOUDS[name](Random(1), Clock())
    try:
        config = first_configuration(f"{name}.md")
        [directory] = config["directories"].values()
        # Only the tenant, the account and the addresses of the page are replaced by those of the fake.
        real = yaml.safe_load(cloud.configure(tmp_path))["options"]
        for option in set(real) & {"tenant", "subject", "endpoints", "endpoint", "token_endpoint"}:
            directory["options"][option] = real[option]
        assert directory["options"] == real, "the page names the secrets differently from this test"
        (tmp_path / "usersyncd.yaml").write_text(yaml.safe_dump(config))
        assert "would read 60 users, 8 groups" in printed("check", "--online")
        assert "60 users to create" in printed("plan")
        assert "succeeded" in printed("sync")
        wanted = cloud.contents()
        assert {row[0] for row in query(tmp_path, "SELECT id FROM users")} == wanted.people.keys()
        assert set(query(tmp_path, "SELECT group_id, member_id FROM group_members")) == wanted.members
    finally:
        cloud.stop()
