"""Connectors are found by entry points. One that cannot be loaded is reported with a remedy, and affects no other."""

from __future__ import annotations

import subprocess
import sys

import pytest

from usersyncd import registry
from usersyncd.errors import PluginError

pytestmark = pytest.mark.usefixtures("acme")


def test_a_connector_of_another_package_is_found() -> None:
    assert registry.source("acme-paper").__name__ == "Paper"
    assert registry.target("acme-shelf").__name__ == "Shelf"
    assert {"csv", "ldap", "acme-paper"} <= set(registry.names("source"))


@pytest.mark.parametrize(
    ("name", "says", "remedy"),
    [
        ("acme-papr", "no source connector “acme-papr” is installed: did you mean acme-paper?", "usersyncd connectors"),
        (
            "acme-shelf",
            "“acme-shelf” is a target connector: it delivers to targets",
            "source connectors are acme-absent",
        ),
        (
            "acme-future",
            "of acme-connectors 1.2 was made for version 3 of the connector contract; this usersyncd needs version 2",
            "install a version of acme",
        ),
        (
            "acme-former",
            "of acme-connectors 1.2 was made for version 1 of the connector contract; this usersyncd needs version 2",
            "install a version of acme",
        ),
        (
            "acme-ancient",
            "has no contract version (`api`); this usersyncd needs version 2",
            "install a version of acme-connectors",
        ),
        (
            "acme-half",
            "is not a source: it lacks mapping, pull, check",
            "report this to the authors of acme-connectors",
        ),
        (
            "acme-needs-more",
            "of acme-connectors 1.2 needs the Python library acme_parchment",
            "install acme-connectors again",
        ),
        ("acme-broken", "cannot be loaded: RuntimeError: out of ink", "report this to the authors of acme-connectors"),
        ("acme-absent", "cannot be loaded: AttributeError", "report this to the authors of acme-connectors"),
    ],
)
def test_a_connector_that_cannot_be_used_says_why(name: str, says: str, remedy: str) -> None:
    with pytest.raises(PluginError) as caught:
        registry.source(name)
    assert says in caught.value.message
    assert remedy in str(caught.value.remedy)
    assert caught.value.exit_code == 2


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ldap", None)  # What the import system itself does for a module that is not there.
    with pytest.raises(PluginError, match="needs the Python library ldap") as caught:
        registry.source("acme-needs-ldap")
    assert caught.value.remedy == "pip install 'usersyncd[ldap]'"


def test_the_list_of_connectors_names_those_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ldap", None)
    found = {one.name: one for one in registry.installed()}
    paper, future = found["acme-paper"], found["acme-future"]
    assert (paper.kind, paper.distribution, paper.version, paper.error) == ("source", "acme-connectors", "1.2", None)
    assert "version 3 of the connector contract" in str(future.error)
    assert "usersyncd[ldap]" in str(found["acme-needs-ldap"].error)
    assert found["acme-shelf"].kind == "target"


def test_only_the_requested_connector_is_loaded() -> None:
    code = (
        "import sys; from usersyncd import registry; registry.source('csv');"
        "print([name for name in ('ldap', 'sqlalchemy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
