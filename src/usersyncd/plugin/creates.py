"""New objects as parallel columns: what a first delivery consists of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import msgspec

from usersyncd.plugin.records import Kind, Value
from usersyncd.plugin.target import Change, Op

_shape = msgspec.json.Decoder(dict[str, Value]).decode


class Creates(Sequence[Change]):
    """Creates of objects of one kind for the records of one directory, as parallel columns.

    A sequence of changes: each is made when it is read. A target may iterate over it and know nothing of columns, or
    take the columns. ``ids``: of the records; ``keys``: the keys of the objects, each as JSON; ``shapes``: what each
    object is to hold, a JSON object with the attributes of the layout.
    """

    __slots__ = ("directory", "ids", "keys", "kind", "shapes")

    def __init__(
        self, kind: Kind, directory: str, ids: Sequence[str], keys: Sequence[str], shapes: Sequence[str]
    ) -> None:
        self.kind, self.directory = kind, directory
        self.ids, self.keys, self.shapes = ids, keys, shapes

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Change]:
        return map(self._change, self.ids, self.keys, self.shapes)

    @overload
    def __getitem__(self, place: int) -> Change: ...

    @overload
    def __getitem__(self, place: slice) -> Creates: ...

    def __getitem__(self, place: int | slice) -> Any:
        ids, keys, shapes = self.ids[place], self.keys[place], self.shapes[place]
        if isinstance(place, slice):
            return Creates(self.kind, self.directory, ids, keys, shapes)
        return self._change(ids, keys, shapes)  # type: ignore[arg-type]

    def decoded(self) -> Iterator[dict[str, Value]]:
        """The shapes."""
        return map(_shape, self.shapes)

    def _change(self, id_: str, key: str, shape: str) -> Change:
        return Change(Op.CREATE, self.kind, self.directory, id_, msgspec.json.decode(key), None, _shape(shape))
