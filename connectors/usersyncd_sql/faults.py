"""Classifies database errors: one record is refused, or the target as a whole cannot be written.

PostgreSQL is classified by SQLSTATE (manual, appendix A), MariaDB/MySQL by error number (MariaDB
knowledge base, "MariaDB Error Codes"), SQLite by result code (sqlite.org/rescode.html).
"""

from __future__ import annotations

import re

from sqlalchemy.exc import DBAPIError

from usersyncd.errors import TargetError


class Refused(Exception):  # noqa: N818
    """One record or membership is refused. The text is the reason."""


DRIVERS = {"psycopg", "pymysql", "sqlite3"}

# Prefixes of SQLSTATE: data exception, integrity constraint violation, RAISE in a trigger, WITH CHECK OPTION of a view.
POSTGRESQL_RECORD = ("22", "23", "P0001", "44")
MYSQL_RECORD = frozenset(
    (1048, 1062, 1171, 1216, 1217, 1263, 1264, 1265, 1292, 1364, 1366, 1367, 1369, 1406, 1411, 1441, 1451, 1452, 1557,
     1586, 1644, 3140, 3819, 4025, 4078)
)  # fmt: skip
SQLITE_RECORD = ("SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG")
# A value that a column cannot hold: too large, of a wrong form, or with an invalid character. 42601: the form of an
# ltree or a tsvector.
POSTGRESQL_VALUE = frozenset(("22001", "22003", "22007", "22008", "22021", "22023", "22P02", "22P03", "22P05", "42601"))
MYSQL_VALUE = frozenset((1264, 1292, 1300, 1366, 1367, 1406, 1411))
# Errors of a statement or of one record: its value, or the result of a trigger or a generated column.
POSTGRESQL_EITHER = ("0A", "42", "54", "55", "XX000")
MYSQL_EITHER = frozenset((1054, 1142, 1143, 1146))
SQLITE_EITHER = "SQLITE_ERROR"
NUL = "the value has a NUL character, which PostgreSQL cannot hold"

CONNECTION = "check the URL and the password, that the server runs, and that this machine can reach it"
RIGHTS = (
    "grant the user SELECT, INSERT, UPDATE and DELETE on the tables, and in PostgreSQL USAGE on their schema and on "
    "the sequences of serial columns; `usersyncd check --online` names what is missing"
)
READ_ONLY = "use the URL of the primary server, or make the database writable"
SPACE = "free some disk space; what was not acknowledged is planned again in the next run"
TABLES = "compare the tables with the configuration: `usersyncd check --online`"
BUSY = "end the other program's transaction, or wait for it; what was not acknowledged is planned again in the next run"
ROW_LOG = "set binlog_format to MIXED or ROW on the server: usersyncd writes at READ COMMITTED"
TRIGGER = "find out why a trigger of the database refuses every record"
OTHER = "see the database's log; what was not acknowledged is planned again in the next run"

POSTGRESQL = {
    "08": CONNECTION, "28": CONNECTION, "57P": CONNECTION, "42501": RIGHTS, "25006": READ_ONLY, "53100": SPACE,
    "42": TABLES, "40": BUSY, "55P03": BUSY, "57014": BUSY, "3D": "create the database, or correct its name in the URL",
    "3F": "create the schema, or correct its name",
}  # fmt: skip
POSTGRESQL_WHOLE = ("0A", "25", "2D", "53", "54", "55", "57", "58", "F0", "XX")
"""Further classes of errors that concern the statement or the server, not a record."""
MYSQL = {
    1040: CONNECTION, 1045: CONNECTION, 1053: CONNECTION, 2002: CONNECTION, 2003: CONNECTION, 2006: CONNECTION,
    2013: CONNECTION, 1044: RIGHTS, 1142: RIGHTS, 1143: RIGHTS, 1227: RIGHTS, 1290: READ_ONLY, 1792: READ_ONLY,
    1836: READ_ONLY, 1021: SPACE, 1114: SPACE, 1054: TABLES, 1146: TABLES, 1205: BUSY, 1213: BUSY,
    1020: BUSY, 1665: ROW_LOG, 1317: BUSY, 1927: CONNECTION, 1969: BUSY, 3024: BUSY, 4031: CONNECTION,
    1049: "create the database, or correct its name in the URL",
}  # fmt: skip
CLIENT = 2
"""The thousands digit of the client library's error numbers (MySQL reference manual, "Client Error Reference")."""
SQLITE = {
    "SQLITE_READONLY": READ_ONLY, "SQLITE_CANTOPEN": "check the path, and that its folder exists and is writable",
    "SQLITE_FULL": SPACE, "SQLITE_IOERR": SPACE, "SQLITE_BUSY": BUSY, "SQLITE_LOCKED": BUSY,
    "SQLITE_NOTADB": "the file is not an SQLite database: correct the path",
    "SQLITE_CORRUPT": "restore the database from a backup",
    "SQLITE_PERM": RIGHTS, "SQLITE_AUTH": RIGHTS, "SQLITE_ERROR": TABLES,
}  # fmt: skip


def driver_error(error: BaseException) -> BaseException | None:
    """The error of the driver, also if SQLAlchemy wraps it; None for any other error."""
    if isinstance(error, DBAPIError):
        return error.orig
    return error if type(error).__module__.partition(".")[0] in DRIVERS else None


def refusal(error: BaseException) -> str | None:
    """The message of the database if it may have refused one record; None if the error does not concern a record."""
    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, UnicodeEncodeError):
        return "the value has a character that is not valid Unicode"
    if isinstance(error, OverflowError):
        return "the number is too large for the column"
    cause = driver_error(error)
    if cause is None:
        return None
    if state := _sqlstate(cause):
        mine = state.startswith(POSTGRESQL_RECORD) or _is_of_policy(cause) or is_unlisted(error) or is_either(error)
        return _postgresql(cause) if mine else None
    if (name := getattr(cause, "sqlite_errorname", None)) is not None:
        return str(cause) if name.startswith((*SQLITE_RECORD, SQLITE_EITHER)) else None
    number, message = _mysql(cause)
    if number in MYSQL_RECORD or is_unlisted(error) or is_either(error):
        return re.sub(r" at row \d+$", "", message)
    # The driver refused the value before it sent anything: a NUL in a text, a number out of range.
    return str(cause) if type(cause).__name__ == "DataError" else None


def is_unlisted(error: BaseException) -> bool:
    """Whether the code does not show what the error concerns: a trigger may refuse one record with the application's
    own code. An error that concerns all records refuses all of them."""
    cause = driver_error(error)
    if cause is None:
        return False
    if state := _sqlstate(cause):
        listed = state.startswith((*POSTGRESQL, *POSTGRESQL_WHOLE)) and not _is_raised(cause)
        return not (listed or state.startswith(POSTGRESQL_RECORD))
    number = None if hasattr(cause, "sqlite_errorname") else _mysql(cause)[0]
    return number is not None and number not in MYSQL_RECORD and number not in MYSQL and number // 1000 != CLIENT


def is_either(error: BaseException) -> bool:
    """Whether an error may concern the statement, and so all records, or a single record."""
    found = code(error)
    if isinstance(found, str):
        return found.startswith((*POSTGRESQL_EITHER, SQLITE_EITHER)) and found != "55P03" and not is_unlisted(error)
    return found in MYSQL_EITHER


def code(error: BaseException) -> str | int | None:
    """The code of an error: SQLSTATE, the number of MariaDB or MySQL, or the name of SQLite's result code."""
    if (cause := driver_error(error)) is None:
        return None
    name: str | None = _sqlstate(cause) or getattr(cause, "sqlite_errorname", None)
    return name or _mysql(cause)[0]


def is_of_value(error: BaseException) -> bool:
    """Whether the column cannot hold the requested value, so that no row has it."""
    if isinstance(error, UnicodeEncodeError | OverflowError):
        return True
    if (cause := driver_error(error)) is None:
        return False
    if state := _sqlstate(cause):
        return state in POSTGRESQL_VALUE
    return type(cause).__name__ == "DataError" or _mysql(cause)[0] in MYSQL_VALUE


def is_unique(error: BaseException) -> bool:
    """Whether a unique constraint refuses the record."""
    if (cause := driver_error(error)) is None:
        return False
    if (name := getattr(cause, "sqlite_errorname", None)) is not None:
        return name in {"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}
    return _sqlstate(cause) == "23505" or _mysql(cause)[0] in {1062, 1586}


def is_reference(error: BaseException) -> bool:
    """Whether a foreign key refuses the record."""
    if (cause := driver_error(error)) is None:
        return False
    if (name := getattr(cause, "sqlite_errorname", None)) is not None:
        return bool(name == "SQLITE_CONSTRAINT_FOREIGNKEY")
    return _sqlstate(cause) == "23503" or _mysql(cause)[0] in {1216, 1217, 1451, 1452, 1557}


def is_busy(error: BaseException) -> bool:
    """Whether another program caused the error by a lock or a change: a retry may succeed."""
    cause = driver_error(error)
    return cause is not None and _remedy(cause) == BUSY


def busy(error: BaseException) -> str:
    """The reason for refusing the changes of a batch that another program blocks."""
    return f"another program holds rows or tables that its batch needs: {_message(driver_error(error))}\n  → {BUSY}"


def target_error(error: BaseException, target: str, where: str) -> TargetError:
    """The error for a database that cannot be written; ``where`` is its URL without a password."""
    cause = driver_error(error) or error
    return TargetError(f"target {target}: {where} cannot be written: {_message(cause)}", _remedy(cause))


def _message(cause: BaseException | None) -> str:
    """The message of an error, in one line."""
    if cause is not None and _sqlstate(cause):
        return str(cause).strip().splitlines()[0]
    return " ".join((str(cause) if cause is None else _mysql(cause)[1]).split())


def _remedy(cause: BaseException) -> str:
    if state := _sqlstate(cause):
        if _is_raised(cause):
            return TRIGGER
        return next((POSTGRESQL[state[:n]] for n in (5, 3, 2) if state[:n] in POSTGRESQL), OTHER)
    if name := getattr(cause, "sqlite_errorname", None):
        return next((text for code, text in SQLITE.items() if name.startswith(code)), OTHER)
    if (number := _mysql(cause)[0]) is not None:
        return MYSQL.get(number, OTHER)
    # psycopg has no SQLSTATE for a lost connection
    return CONNECTION if type(cause).__name__ == "OperationalError" else OTHER


def _sqlstate(cause: BaseException) -> str | None:
    """The SQLSTATE of PostgreSQL. PyMySQL also has one, but its number is more precise."""
    return getattr(cause, "sqlstate", None) if hasattr(cause, "diag") else None


def _is_of_policy(cause: BaseException) -> bool:
    """Whether row-level security refuses a new row. The code is the same as for a missing privilege."""
    diag = cause.diag  # type: ignore[attr-defined]
    return diag is not None and diag.sqlstate == "42501" and diag.source_function == "ExecWithCheckOptions"


def _is_raised(cause: BaseException) -> bool:
    """Whether a trigger in PL/pgSQL raised the error: it chose the code."""
    diag = cause.diag  # type: ignore[attr-defined]
    return diag is not None and diag.source_function == "exec_stmt_raise"


def _postgresql(cause: BaseException) -> str:
    diag = cause.diag  # type: ignore[attr-defined]
    if diag is None or diag.message_primary is None:
        return str(cause).splitlines()[0]
    if diag.sqlstate == "22P05":
        return NUL
    parts = [diag.message_primary]
    if diag.message_detail and not diag.message_detail.startswith("Failing row"):
        parts.append(diag.message_detail.rstrip("."))
    # COPY names the column only in its context: `COPY app_user, line 1, column hired: "soon"`.
    elif found := re.search(r"column (\S+):", diag.context or ""):
        parts.append(f"column {found[1]}")
    return ": ".join(parts)


def _mysql(cause: BaseException) -> tuple[int | None, str]:
    if len(cause.args) >= 2 and isinstance(cause.args[0], int):
        return cause.args[0], str(cause.args[1])
    return None, str(cause)
