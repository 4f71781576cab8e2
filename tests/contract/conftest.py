"""Servers for the contract's tests."""

from tests.connectors.ldap.conftest import domain, ds389_tree, samba_tree, serve389  # noqa: F401
