"""A server's root DSE (RFC 4512, section 5.1), and the product that it identifies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum


class Product(StrEnum):
    """The products with special support; all others are read by RFC 4511 alone."""

    ACTIVE_DIRECTORY = "Active Directory"
    OPENLDAP = "OpenLDAP"
    DS389 = "389 Directory Server"
    OTHER = "an LDAP server"


ACTIVE_DIRECTORY = "1.2.840.113556.1.4.800"
"""LDAP_CAP_ACTIVE_DIRECTORY_OID (MS-ADTS, section 3.1.1.3.4.3.1): Windows and Samba domain controllers claim it."""


class RootDse:
    """The root DSE. Attribute names are case-insensitive."""

    def __init__(self, entry: Mapping[str, Sequence[bytes]]) -> None:
        self._entry = {name.lower(): values for name, values in entry.items()}
        self.contexts = self.texts("namingContexts")
        self.controls = frozenset(self.texts("supportedControl"))
        self.mechanisms = frozenset(self.texts("supportedSASLMechanisms"))
        self.product = self._product()

    def texts(self, name: str) -> list[str]:
        return [value.decode(errors="replace") for value in self._entry.get(name.lower(), ())]

    def text(self, name: str) -> str:
        """The first value; empty without one."""
        return next(iter(self.texts(name)), "")

    @property
    def name(self) -> str:
        """The product for messages, with vendor and version if the server reports them (RFC 3045)."""
        said = " ".join([*self.texts("vendorName"), *self.texts("vendorVersion")])
        if self.product is Product.OTHER:
            return said or "an unknown LDAP server"
        return f"{self.product} ({said})" if said else str(self.product)

    @property
    def base(self) -> str | None:
        """The default base: the domain, or the only naming context."""
        domain = self.text("defaultNamingContext")
        return domain or (self.contexts[0] if len(self.contexts) == 1 else None)

    def _product(self) -> Product:
        if ACTIVE_DIRECTORY in self.texts("supportedCapabilities"):
            return Product.ACTIVE_DIRECTORY
        if "OpenLDAProotDSE" in self.texts("objectClass"):
            return Product.OPENLDAP
        if self.text("vendorVersion").startswith(("389-Directory", "Red Hat-Directory")):
            return Product.DS389
        return Product.OTHER
