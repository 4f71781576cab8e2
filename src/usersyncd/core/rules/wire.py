"""Encodes a tree in the library's serialized form of a parsed expression, and decodes it.

The messages are ``ParsedExpr``, ``Expr`` and ``Constant`` of
https://github.com/google/cel-spec/blob/master/proto/cel/expr/syntax.proto; the numbers below are their field numbers.
The encoding is https://protobuf.dev/programming-guides/encoding/. These messages use only its varints, doubles and
fields with a length.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from usersyncd.core.rules.tree import Call, ListOf, Literal, Loop, MapOf, Message, Name, Node, Select

_TYPE_URL = "type.googleapis.com/cel.expr.ParsedExpr"


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a message: numbers for varints, bytes for what has a length or eight bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key & 7 == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        size, at = (8, at) if key & 7 == 1 else _varint(data, at)
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _number(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _bytes(field: int, data: bytes) -> bytes:
    return _number(field << 3 | 2) + _number(len(data)) + data


def encode(tree: Node) -> bytes:
    """The serialized form of a tree, as the library reads it."""
    return _bytes(1, _TYPE_URL.encode()) + _bytes(2, _bytes(2, _encode(tree, count(1))))


def decode(wire: bytes) -> Node:
    """The tree of what the library serialized."""
    parsed = dict(_fields(dict(_fields(wire))[2]))
    source = _fields(parsed.get(3, b""))
    positions = {item[1]: item.get(2, 0) for item in (dict(_fields(data)) for field, data in source if field == 4)}
    return _node(parsed[2], positions)


def _node(data: bytes, positions: Mapping[int, int]) -> Node:
    parts = dict(_fields(data))
    offset = positions.get(parts.pop(2, 0), 0)
    ((kind, body),) = parts.items()
    fields: dict[int, list[Any]] = {}
    for field, value in _fields(body):
        fields.setdefault(field, []).append(value)

    def text(field: int) -> str:
        return str(fields[field][0].decode()) if field in fields else ""

    def nodes(field: int) -> tuple[Node, ...]:
        return tuple(_node(child, positions) for child in fields.get(field, ()))

    if kind == 3:
        ((field, (raw,)),) = fields.items()
        return Literal(_constant(field, raw), field, offset)
    if kind == 4:
        return Name(text(1), offset)
    if kind == 5:
        return Select(nodes(1)[0], text(2), 3 in fields, offset)
    if kind == 6:
        return Call(text(2), nodes(3), next(iter(nodes(1)), None), offset)
    if kind == 7:
        return ListOf(nodes(1))
    if kind == 8:
        if 1 in fields:
            return Message(text(1), offset)
        entries = [dict(_fields(entry)) for entry in fields.get(2, ())]
        return MapOf(tuple((_node(entry[3], positions), _node(entry[4], positions)) for entry in entries))
    items, start, go_on, step, result = (nodes(field)[0] for field in (2, 4, 5, 6, 7))
    return Loop(text(1), items, text(3), start, go_on, step, result)


def _constant(field: int, raw: Any) -> Any:
    match field:
        case 1:
            return None
        case 2:
            return bool(raw)
        case 3:
            return raw - (1 << 64) if raw >> 63 else raw
        case 5:
            return struct.unpack("<d", raw)[0]
        case 6:
            return raw.decode()
        case _:
            return raw


def _encode(node: Node, ids: Iterator[int]) -> bytes:
    number = b"\x10" + _number(next(ids))

    def each(field: int, nodes: tuple[Node, ...]) -> bytes:
        return b"".join(_bytes(field, _encode(child, ids)) for child in nodes)

    match node:
        case Literal(value, field):
            return number + _bytes(3, _encode_constant(field, value))
        case Name(name):
            return number + _bytes(4, _bytes(1, name.encode()))
        case Select(operand, name, test):
            return number + _bytes(5, each(1, (operand,)) + _bytes(2, name.encode()) + (b"\x18\x01" if test else b""))
        case Call(function, arguments, target):
            receiver = () if target is None else (target,)
            return number + _bytes(6, each(1, receiver) + _bytes(2, function.encode()) + each(3, arguments))
        case ListOf(items):
            return number + _bytes(7, each(1, items))
        case MapOf(entries):
            pairs = (b"\x08" + _number(next(ids)) + each(3, (key,)) + each(4, (value,)) for key, value in entries)
            return number + _bytes(8, b"".join(_bytes(2, pair) for pair in pairs))
        case Loop(item, items, accumulator, start, go_on, step, result):
            names = _bytes(1, item.encode()), _bytes(3, accumulator.encode())
            body = names[0] + each(2, (items,)) + names[1]
            for field, part in zip((4, 5, 6, 7), (start, go_on, step, result), strict=True):
                body += each(field, (part,))
            return number + _bytes(9, body)
        case Message():
            raise TypeError("a message is not encoded")


def _encode_constant(field: int, value: Any) -> bytes:
    if field == 5:
        return b"\x29" + struct.pack("<d", value)
    if field in (6, 7):
        return _bytes(field, value.encode() if field == 6 else value)
    return _number(field << 3) + _number(int(value or 0))
