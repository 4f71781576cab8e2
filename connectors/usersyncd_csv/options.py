"""The ``options`` of a directory with ``connector: csv``."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from usersyncd.plugin import Options


class CsvOptions(Options):
    """A directory kept in CSV files: a header line, RFC 4180 quoting. Paths are relative to the configuration file."""

    users: str = Field(min_length=1, description="File of users: `id`, canonical names, any columns of your own.")
    groups: str | None = Field(None, min_length=1, description="File of groups: `id`, `displayName`, any others.")
    members: str | None = Field(
        None, min_length=1, description="File of memberships: `group_id`, `member_id`, `member_kind` (may be left out)."
    )
    id: str = Field("id", min_length=1, description="The column of the file of users with the immutable ids.")
    delimiter: str = Field(",", min_length=1, max_length=1, description="The character between two cells.")
    encoding: str = Field("utf-8", description="The encoding of the files; they may begin with a byte order mark.")

    @field_validator("delimiter")
    @classmethod
    def _separates(cls, delimiter: str) -> str:
        if delimiter in '"\r\n\0':
            raise ValueError('a delimiter is one character other than a quote (") or a line break')
        return delimiter

    @field_validator("encoding")
    @classmethod
    def _known(cls, encoding: str) -> str:
        try:
            "".encode(encoding)
        except (LookupError, UnicodeError):
            usual = "utf-8, utf-16, cp1252, latin-1"
            raise ValueError(f"{encoding!r} is not an encoding of Python; common ones are {usual}") from None
        return encoding

    @model_validator(mode="after")
    def _members_need_groups(self) -> CsvOptions:
        if self.members is not None and self.groups is None:
            raise ValueError("members is given without groups: name the file of groups too")
        return self
