"""Source connector ``ldap``: users, groups and memberships from OpenLDAP and other RFC 4511 servers."""

from __future__ import annotations

from usersyncd_ldap.source import LdapSource

__all__ = ["LdapSource"]
