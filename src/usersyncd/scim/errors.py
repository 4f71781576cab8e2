"""The error of a SCIM request, as RFC 7644 section 3.12 answers it."""

from __future__ import annotations

from usersyncd.errors import UsersyncError


class ScimError(UsersyncError):
    """A SCIM request is refused, and changed nothing.

    ``status`` is the HTTP status, ``scim_type`` the detail error keyword of RFC 7644, section 3.12 (empty: none
    applies), and ``retry_after`` the seconds after which the provider may ask again (503). The answer's ``detail`` is
    the whole text with its remedy: it must not quote a password or a token.
    """

    code = "scim"

    def __init__(
        self,
        status: int,
        message: str,
        remedy: str | None = None,
        *,
        scim_type: str = "",
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message, remedy)
        self.status = status
        self.scim_type = scim_type
        self.retry_after = retry_after


def not_found(what: str, resource_id: str) -> ScimError:
    return ScimError(404, f"{what} {resource_id} does not exist")


def not_unique(attribute: str, value: str) -> ScimError:
    return ScimError(409, f"another resource has {attribute} {value!r}", scim_type="uniqueness")


def version_differs() -> ScimError:
    return ScimError(412, "the resource has changed since this version", "read it again, then repeat the change")


def invalid_value(message: str, remedy: str | None = None) -> ScimError:
    return ScimError(400, message, remedy, scim_type="invalidValue")


def invalid_syntax(message: str, remedy: str | None = None) -> ScimError:
    return ScimError(400, message, remedy, scim_type="invalidSyntax")


def invalid_path(message: str, remedy: str | None = None) -> ScimError:
    return ScimError(400, message, remedy, scim_type="invalidPath")


def invalid_filter(message: str, remedy: str | None = None) -> ScimError:
    return ScimError(400, message, remedy, scim_type="invalidFilter")


def no_target(message: str, remedy: str | None = None) -> ScimError:
    return ScimError(400, message, remedy, scim_type="noTarget")


def not_mutable(message: str, remedy: str | None = None) -> ScimError:
    return ScimError(400, message, remedy, scim_type="mutability")
