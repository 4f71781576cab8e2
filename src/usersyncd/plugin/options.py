"""The options of a connector, and references to secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, model_validator

from usersyncd.errors import UsersyncError


class Options(BaseModel):
    """Base of a connector's ``Options``: frozen, and an unknown key is an error. Docstrings and
    ``Field(description=…)`` become the documentation of the JSON Schema."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    def places(self) -> Mapping[str, object]:
        """Of a target: each part of it (users, groups, …) -> the options that say where this part is stored. Two
        targets of a configuration with an equal place write to the same objects. By default all options together are
        one place."""
        return {"objects": self}

    def yaml_files(self, folder: Path) -> Sequence[OptionFile]:  # noqa: ARG002 - by default there are none
        """The YAML files that the options name, each with the model of its content: they are checked with the
        configuration. ``folder``: that of the configuration file."""
        return ()


class OptionFile(NamedTuple):
    """A YAML file that an option names."""

    option: str
    path: Path
    model: type[BaseModel]


SHORTEST_TOKEN = 24
"""The fewest characters of a token that opens something."""


def refuse_short_token(text: str, what: str, failure: type[UsersyncError]) -> None:
    """Raise ``failure`` if a token is so short that it can be guessed. ``what`` names it: ``the token first``."""
    if len(text) < SHORTEST_TOKEN:
        raise failure(
            f"{what} has fewer than {SHORTEST_TOKEN} characters, so that it can be guessed",
            "make a new one: openssl rand -hex 32",
        )


def scheme_lowered(url: str) -> str:
    """The URL with its scheme in lower case. Schemes are case-insensitive (RFC 3986, section 3.1): this way validators
    and connectors compare lower case only. Text without a scheme is returned unchanged."""
    scheme, separator, rest = url.partition("://")
    return scheme.lower() + separator + rest if separator else url


class Secret(BaseModel):
    """A reference to a secret, never the secret: exactly one of the four. Open it with ``Context.secret``."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    credential: str | None = None
    """The name of a systemd credential (``LoadCredential=``), read from ``$CREDENTIALS_DIRECTORY``."""
    file: str | None = None
    """A file that holds the secret; relative to the configuration file. A trailing newline and a byte order mark are
    removed."""
    env: str | None = None
    """An environment variable."""
    keyring: str | None = None
    """``SERVICE/NAME`` in the system's keyring."""

    @model_validator(mode="before")
    @classmethod
    def _no_literal(cls, value: Any) -> Any:
        if isinstance(value, Mapping | Secret):
            return value
        # The value itself stays out of the message: it may be the secret.
        raise ValueError(
            "a secret must not be in the file: write {credential: NAME}, {file: PATH}, {env: NAME} or "
            "{keyring: SERVICE/NAME}"
        )

    @model_validator(mode="after")
    def _exactly_one(self) -> Secret:
        if sum(value is not None for value in (self.credential, self.file, self.env, self.keyring)) != 1:
            raise ValueError("name exactly one of credential, file, env, keyring")
        return self
