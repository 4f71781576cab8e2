"""Faults of the files that the web service opens when it starts, at the places of the configuration that name them."""

from __future__ import annotations

from collections.abc import Iterable

from usersyncd.cli.unopened import UnopenedSecret
from usersyncd.config import Config
from usersyncd.config.document import Document, KeyPath
from usersyncd.config.web import CREDENTIALS
from usersyncd.files import read_file


def verify_web_files(config: Config, unopened: Iterable[UnopenedSecret]) -> None:
    """Raise ConfigError with a fault for each secret that nobody can open, and for a file of ``web.tls`` that cannot be
    used."""
    document = Document(str(config.file), read_file(config.file).decode("utf-8-sig"))
    for one in unopened:
        if one.certain:
            path: KeyPath = tuple(int(part) if part.isdecimal() else part for part in one.path.split("."))
            document.fault(path, _sentence(f"{one.message}: {one.consequence}", one.remedy))
    tls = None if config.web is None else config.web.tls
    if tls is not None and not is_of_service(config):
        from usersyncd.web.tls import TlsFileError, server_context

        try:
            server_context(tls)
        except TlsFileError as error:
            what = error.message.removeprefix(f"web.tls.{error.option}: ")
            document.fault(("web", "tls", error.option), _sentence(what, error.remedy))
    document.raise_faults()


def is_of_service(config: Config) -> bool:
    """Whether the files of ``web.tls`` are credentials that only the service has: this process cannot try them."""
    tls = None if config.web is None else config.web.tls
    return tls is not None and any(CREDENTIALS in str(path) for path in (tls.cert, tls.key))


def _sentence(what: str, remedy: str | None) -> str:
    return f"{what}; {remedy}" if remedy else what
