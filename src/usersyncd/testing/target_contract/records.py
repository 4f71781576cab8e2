"""What becomes of one user or group."""
# ruff: noqa: S101 - tests are made of asserts

from __future__ import annotations

from usersyncd.plugin import Kind, Op
from usersyncd.testing.target_contract.bench import Contents, Deliver, Look, TargetBench, done
from usersyncd.testing.target_contract.shapes import ADA, APP, BOB, EVE, OPS, add, create, delete, update


class RecordPromises(TargetBench):
    """Objects are made, changed, kept and deleted as each change says."""

    def test_one_outcome_for_each_change_in_their_order(self, deliver: Deliver, contents: Look) -> None:
        assert deliver() == []
        assert done(deliver(create(ADA), create(BOB), create(APP, Kind.GROUP), create(OPS, Kind.GROUP)))
        assert done(deliver(add(APP, ADA, BOB), add(OPS, ADA)))
        assert contents() == Contents(
            users={"u1": ADA, "u2": BOB},
            groups={"g1": APP, "g2": OPS},
            memberships={("g1", "u1"), ("g1", "u2"), ("g2", "u1")},
        )

    def test_a_create_gives_each_object_an_id_of_its_own(self, deliver: Deliver) -> None:
        outcomes = deliver(create(ADA), create(BOB), create(EVE))
        given = [outcome.target_id for outcome in outcomes]
        assert all(isinstance(target_id, str) and target_id for target_id in given)
        assert len(set(given)) == len(given)

    def test_an_update_writes_what_changed_and_clears_what_is_gone(self, deliver: Deliver, contents: Look) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP))
        moved = ADA | {"department": "Works", "familyName": "Łącka 李"}
        del moved["title"]
        renamed = APP | {"displayName": "app users"}
        assert done(deliver(update(ADA, moved), update(APP, renamed, kind=Kind.GROUP)))
        assert contents() == Contents(users={"u1": moved, "u2": BOB}, groups={"g1": renamed})

    def test_a_leaver_is_deactivated_and_kept_and_may_come_back(self, deliver: Deliver, contents: Look) -> None:
        deliver(create(ADA), create(BOB))
        gone = ADA | {"active": False}
        for _ in range(2):
            assert done(deliver(update(ADA, gone, op=Op.DEACTIVATE)))
            assert contents().users == {"u1": gone, "u2": BOB}
        for _ in range(2):
            assert done(deliver(update(gone, ADA, op=Op.REACTIVATE)))
            assert contents().users == {"u1": ADA, "u2": BOB}

    def test_a_deleted_record_takes_its_memberships_along(self, deliver: Deliver, contents: Look) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP), create(OPS, Kind.GROUP))
        deliver(add(APP, ADA, BOB), add(OPS, ADA, BOB))
        assert done(deliver(delete(OPS, Kind.GROUP), delete(ADA)))
        assert contents() == Contents({"u2": BOB}, {"g1": APP}, {("g1", "u2")})

    def test_creating_what_is_there_is_refused_and_leaves_it_as_it_was(self, deliver: Deliver, contents: Look) -> None:
        self.must_look()
        deliver(create(ADA), create(APP, Kind.GROUP))
        deliver(add(APP, ADA))
        newer, renamed = ADA | {"email": "ada.l@acme.example"}, APP | {"displayName": "mine"}
        outcomes = deliver(create(newer), create(BOB), create(renamed, Kind.GROUP))
        assert [outcome.error is None for outcome in outcomes] == [False, True, False]
        assert contents() == Contents({"u1": ADA, "u2": BOB}, {"g1": APP}, {("g1", "u1")})

    def test_an_object_may_be_adopted(self, deliver: Deliver, contents: Look) -> None:
        """It is brought to the new shape, and keeps its memberships: to take those is the plan's part."""
        deliver(create(ADA), create(APP, Kind.GROUP))
        deliver(add(APP, ADA))
        newer, renamed = ADA | {"email": "ada.l@acme.example"}, APP | {"displayName": "mine"}
        changes = update(ADA, newer, op=Op.ADOPT), update(APP, renamed, op=Op.ADOPT, kind=Kind.GROUP)
        assert done(deliver(*changes))
        assert contents() == Contents({"u1": newer}, {"g1": renamed}, {("g1", "u1")})

    def test_deleting_what_is_not_there_succeeds(self, deliver: Deliver, contents: Look) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP))
        for _ in range(2):
            outcomes = deliver(delete(ADA), delete(APP, Kind.GROUP))
            assert [outcome.error for outcome in outcomes] == [None, None]
        assert contents() == Contents(users={"u2": BOB})

    def test_what_is_not_there_is_told_and_not_made(self, deliver: Deliver, contents: Look) -> None:
        deliver(create(ADA), create(BOB), create(APP, Kind.GROUP), create(OPS, Kind.GROUP))
        deliver(delete(ADA), delete(APP, Kind.GROUP))
        outcomes = deliver(
            update(ADA, ADA | {"title": "Boss"}),
            update(ADA, ADA | {"title": "Boss"}, op=Op.ADOPT),
            update(ADA, ADA | {"active": False}, op=Op.DEACTIVATE),
            update(ADA | {"active": False}, ADA, op=Op.REACTIVATE),
            update(APP, APP | {"displayName": "mine"}, kind=Kind.GROUP),
        )
        assert [(outcome.error, outcome.absent) for outcome in outcomes] == [(None, True)] * 5
        assert contents() == Contents(users={"u2": BOB}, groups={"g2": OPS})
