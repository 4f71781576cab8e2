import ldap  # noqa: F401

from . import Paper

__all__ = ["Paper"]
