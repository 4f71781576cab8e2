"""Runs a pull to its end, and merges its items to the directory's content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct, field

from usersyncd.plugin import Done, Gone, Kind, Members, Page, Patch, Present, Record, Source, Unread, Value


class Pull(Struct):
    """Everything that a source yielded: its pages, and its ``Done`` items. A correct pull has one, and it comes
    last."""

    pages: list[Page] = field(default_factory=list)
    ends: list[Done] = field(default_factory=list)
    after_end: int = 0
    """Number of pages after a ``Done``."""

    @property
    def items(self) -> Iterator[Record | Patch | Present | Unread | Members | Gone]:
        for page in self.pages:
            yield from page

    @property
    def records(self) -> Iterator[Record]:
        return (item for item in self.items if isinstance(item, Record))


async def read(source: Source, cursor: str | None = None) -> Pull:
    """Run a pull to its end. Raises the source's errors."""
    pull = Pull()
    async for page in source.pull(cursor):
        if isinstance(page, Done):
            pull.ends.append(page)
        else:
            pull.pages.append(page)
            pull.after_end += bool(pull.ends)
    return pull


class DirectoryContent(Struct):
    """The content of a directory. ``edges`` are (group id, member's id or handle)."""

    records: dict[tuple[Kind, str], dict[str, Value]] = field(default_factory=dict)
    handles: dict[str, tuple[Kind, str]] = field(default_factory=dict)
    edges: set[tuple[str, str]] = field(default_factory=set)


def fold(
    items: Iterable[Record | Patch | Present | Unread | Members | Gone],
    onto: DirectoryContent | None = None,
    *,
    known: DirectoryContent | None = None,
) -> DirectoryContent:
    """Apply ``items`` in order. ``onto``: the content before an incremental pull. ``known``: the content before a
    complete pull that yields ``Present`` or ``Unread``."""
    held = DirectoryContent(dict(onto.records), dict(onto.handles), set(onto.edges)) if onto else DirectoryContent()
    for item in items:
        match item:
            case Record(kind, id, attributes, handles):
                held.records[kind, id] = attributes
                held.handles.update(dict.fromkeys(handles, (kind, id)))
            case Patch(kind, id, attributes, handles):
                held.handles.update(dict.fromkeys(handles or (), (kind, id)))
                patched = {**held.records.get((kind, id), {}), **attributes}
                held.records[kind, id] = {name: value for name, value in patched.items() if value is not None}
            case Present(kind, id) | Unread(kind, id):
                if known is not None and (kind, id) in known.records.keys() - held.records.keys():
                    _keep(held, known, (kind, id))
            case Members(group, added, removed, whole):
                if whole:
                    held.edges = {edge for edge in held.edges if edge[0] != group}
                held.edges |= {(group, member) for member in added}
                held.edges -= {(group, member) for member in removed}
            case Gone(kind, id):
                held.records.pop((kind, id), None)
                names = {id, *(handle for handle, named in held.handles.items() if named == (kind, id))}
                held.edges = {
                    (group, member)
                    for group, member in held.edges
                    if member not in names and not (kind is Kind.GROUP and group == id)
                }
    return held


def _keep(held: DirectoryContent, known: DirectoryContent, record: tuple[Kind, str]) -> None:
    """Copy a record's last state: attributes, handles, and the members of a group."""
    held.records[record] = known.records[record]
    held.handles.update((handle, named) for handle, named in known.handles.items() if named == record)
    if record[0] is Kind.GROUP:
        held.edges |= {edge for edge in known.edges if edge[0] == record[1]}
