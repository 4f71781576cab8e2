"""The setting ``protect``: which objects of a target are never adopted, changed or removed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from usersyncd.plugin import Value


class Protection(Struct, frozen=True):
    """The protected objects of one kind: those with one of these ``keys`` (folded: :func:`protected_keys`), and those
    for which ``condition`` holds over the target's own ``columns``. ``written``: the keys as the admin wrote
    them."""

    keys: frozenset[str] = frozenset()
    condition: Callable[[Mapping[str, Value]], bool] | None = None
    columns: frozenset[str] = frozenset()
    written: tuple[str | int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.keys) or self.condition is not None

    def names(self, key: str | int, attributes: Mapping[str, Value]) -> bool:
        """Whether this object, which holds these attributes now, is protected."""
        return str(key).casefold() in self.keys or (self.condition is not None and self.condition(attributes))


UNPROTECTED = Protection()


def protected_keys(keys: Iterable[str | int]) -> Protection:
    """Protects the objects with these keys, in upper or lower case, because a database may treat both as equal."""
    written = tuple(keys)
    return Protection(frozenset(str(key).casefold() for key in written), written=written)
