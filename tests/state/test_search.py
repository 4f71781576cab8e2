"""A search of the snapshot finds the same people on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, event

from tests.run.world import World
from usersyncd.state.search import FormerPerson, find_former, find_people, is_retried, last_event
from usersyncd.state.tables import records


def test_people_are_found_alike(world: World) -> None:
    world.user("u1", userName="ada", displayName='Ada "Queen" Byron', email="ada@x.example")
    world.user("u2", userName="zoe", displayName="Zoë\\Müller 100%", email="zoe@x.example")
    world.user("u3", userName="bob", displayName="Bob\tAda_Kahn", email="bob@x.example")
    world.group("u4")
    world.run()
    with world.database.read() as connection:

        def found(text: str, limit: int = 10, directory: str | None = None) -> list[str]:
            return [one.id for one in find_people(connection, text, directory, limit)]

        assert found("u1") == ["u1"]
        assert found('"QUEEN"') == ["u1"]
        assert found("MÜLLER zoë") == ["u2"]
        assert found("\\m") == found("100%") == ["u2"]
        assert found("ada_k") == ["u3"]
        assert found("ada") == ["u1", "u3"]
        assert found("ada", limit=1) == ["u1"]
        assert found("ada", directory="other") == []
        assert found("u4") == []
        assert [one.ref for one in find_people(connection, "u1", "acme", 1)]


def test_the_journal_knows_the_last_event_also_of_a_person_without_a_record(world: World) -> None:
    world.user("u1", displayName="Ada")
    world.user("7", displayName="Bob")
    world.run()
    with world.database.read() as connection:
        last = last_event(connection, "app", "acme", "u1")
        assert last is not None
        assert last.op == "create"
        assert last_event(connection, "app", "acme", "u2") is None
        assert last_event(connection, "lab", "acme", "u1") is None
        assert find_former(connection, "u1", None, 10) == []
        [person] = find_people(connection, "u1", None, 2)
        assert not is_retried(connection, 1, person.ref)
    with world.database.write() as connection:
        connection.execute(delete(records))
    with world.database.read() as connection:
        assert find_former(connection, "u1", "acme", 10) == [FormerPerson("acme", "u1")]
        assert find_former(connection, "7", None, 10) == [FormerPerson("acme", "7")]
        assert find_former(connection, "u1", "other", 10) == []


def test_a_person_is_found_in_the_journal_by_an_index(world: World) -> None:
    """The journal has every change of ninety days."""
    if not world.database.sqlite:
        pytest.skip("PostgreSQL reads a small table as a whole, whatever indexes it has")
    asked: list[tuple[str, tuple[object, ...]]] = []

    @event.listens_for(world.database.engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_more: object) -> None:
        asked.append((statement, parameters))

    with world.database.read() as connection:
        last_event(connection, "app", "acme", "u1")
        find_former(connection, "u1", None, 10)
        last, by_id, _by_key = [one for one in asked if "FROM journal" in one[0]]
        for statement, parameters in (last, by_id):
            steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            assert [step.detail for step in steps if "SEARCH journal USING INDEX journal_id (id=?)" in step.detail]
