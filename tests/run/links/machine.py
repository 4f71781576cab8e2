"""A state machine: the directories change in any order, the target fails, and the application writes into it too."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.run.links.chance import Evening, day
from tests.run.links.judge import Broken, Consent, Judge
from tests.run.links.life import ADDRESSES, DIRECTORIES, NAMES, Life, Record
from tests.run.links.moody import Mood
from tests.run.links.shop import Shop
from tests.run.links.town import Town
from tests.servers.shared import MEMORY
from usersyncd.plugin import Kind

ROUNDS = 10
"""So many rounds deliver everything. Several are needed, because a key may pass from one directory to the other."""


seeds = st.integers(0, 2**24 - 1)
"""Each seed makes a random day. Values that hypothesis chooses by itself, or larger numbers, are too much alike."""


class Links(RuleBasedStateMachine):
    """Subclasses say with ``shop`` which target they test."""

    def shop(self) -> Shop:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.town: Town | None = None
        self.interrupted = False

    def teardown(self) -> None:
        try:
            if self.town is not None:
                self.everything_is_delivered(consent="all")
                self.town.close()
        finally:
            shutil.rmtree(self.folder)

    @initialize(deletes=st.booleans(), incremental=st.booleans(), seats=st.permutations(ADDRESSES))
    def begin(self, deletes: bool, incremental: bool, seats: list[str]) -> None:
        self.life, self.told = Life(), Life()
        self.town = Town(self.folder, self.shop(), deletes=deletes, incremental=incremental)
        self.judge = Judge(self.town.shop, deletes)
        for person, address in zip(("a1", "a2", "a3", "b1"), seats, strict=False):
            self.life.records[Kind.USER][person] = Record(address, person)
        for team, name in zip(("ag1", "ag2", "bg1"), NAMES, strict=False):
            self.life.records[Kind.GROUP][team] = Record(name, team)
        for team, person in (("ag1", "a1"), ("ag1", "a2"), ("ag2", "a3"), ("bg1", "b1")):
            self.life.join(team, person)
        self.everything_is_delivered(consent=())

    @rule(seed=seeds)
    def a_day_goes_by(self, seed: int) -> None:
        """The directories change, the application writes into the target, and one directory is delivered or fails."""
        today = day(seed)
        note(str(today))
        for edit, *arguments in today.edits:
            edit(self.life, *arguments)
        for write, *arguments in today.writes:
            write(self.judge, *arguments)
        if today.mood is None:
            self._run(today.name, today.consent, complete=today.complete)
        else:
            self._fails(today.name, today.mood)
        if today.evening is Evening.DELIVERED:
            self.everything_is_delivered(today.consent)
        elif today.evening is Evening.VERIFIED:
            self.everything_is_delivered("all", verify=True)
        elif today.evening is Evening.SAVED:
            self.the_state_is_saved()
        elif today.evening is Evening.PUT_BACK:
            self.the_state_is_put_back(today.mood)
        else:
            self.the_configuration_changes(today.evening, today.name)

    def the_configuration_changes(self, evening: Evening, name: str) -> None:
        """``name``: the directory that is removed or renamed."""
        assert self.town is not None
        if evening is Evening.REMOVED:
            self.town.removed ^= {name}
        elif evening is Evening.RENAMED and name not in self.town.removed:
            # Deliver first: a target that has only the name before the last one could not be migrated.
            self._run(name, ())
            self.town.rename(name)
        elif evening is Evening.MOVED:
            self.everything_is_delivered(consent="all")
            self.town.move()
            self.judge.remember()
            self.judge.damaged.clear()
            self.judge.lost.clear()

    def _fails(self, name: str, mood: Mood) -> None:
        assert self.town is not None
        vars(self.town.mood).update(vars(mood))
        self.interrupted = True
        before = set(self._marks())
        self._run(name, (), fails=True)
        self.judge.unanswered |= set(self._marks()) - before
        vars(self.town.mood).update(vars(Mood()))

    def everything_is_delivered(self, consent: Consent, *, verify: bool = False) -> None:
        """Run until nothing is left to do, and check that the target holds what the directories say.

        ``verify``: the directories do not change, and the runs restore what the application changed all the same.
        """
        assert self.town is not None
        for kind, id_ in () if verify else self.judge.damaged:
            self.life.heal(kind, id_)
        if self.judge.damaged or self.judge.lost or self.interrupted:
            # The first run may only find that an object was deleted, or settle a change that was not answered.
            self._round(consent, verify=verify)
        self.judge.damaged.clear()
        self.judge.unanswered.clear()
        self.interrupted = False
        for _ in range(ROUNDS):
            if not self._round(consent, verify=verify):
                break
        else:
            raise Broken("there is always something to do")
        self.judge.promises(self.life.without(self.town.removed), consent)

    def _is_a_leavers(self, kind: Kind, id_: str) -> bool:
        """Return whether an object has the key of a leaver in the saved state: a person would have to decide then."""
        row, records = (
            self.judge.object_of(kind, id_),
            self.life.without(self.town.removed if self.town else ()).records,
        )
        owners = {owner for (one, owner), key in self.keys.items() if one is kind and row and key == row.key}
        return any(owner != id_ and owner not in records[kind] for owner in owners)

    # ---- the state is put back

    def the_state_is_saved(self) -> None:
        assert self.town is not None
        self.town.save()
        self.homes = self._homes() | dict.fromkeys(self.judge.damaged, "unknown")
        self.keys = {(kind, row.ref): row.key for kind in Kind for row in self.judge.book[kind].values()}
        self.active = {(kind, row.ref) for kind in Kind for row in self.judge.book[kind].values() if row.active}

    def the_state_is_put_back(self, mood: Mood | None) -> None:
        """Restore the saved state, and let the runs link everything again.

        Objects whose owner the older state cannot tell are deleted by hand first:

        * the object of a record that has another object in the saved state;
        * the object of a deleted record that the saved state does not have;
        * an object that belongs to another present or active record in the saved state;
        * an object with the key of a leaver in the saved state.
        """
        assert self.town is not None
        self.everything_is_delivered(consent="all")
        if not self.town.is_saved or not self.judge.all_right(self.life.without(self.town.removed)):
            return
        self.town.restore()
        owners = {(kind, mark): id_ for (kind, id_), mark in self.homes.items()}
        for (kind, id_), mark in self._homes().items():
            records = self.life.without(self.town.removed).records[kind]
            unknown = mark if id_ in records else None
            owner = owners.get((kind, mark), id_)
            others = owner != id_ and (owner in records or (kind, owner) in self.active)
            if self.homes.get((kind, id_), unknown) != mark or others or self._is_a_leavers(kind, id_):
                self.judge.delete(kind, id_)
        if mood is not None:
            self._fails(DIRECTORIES[0], mood)
        self.everything_is_delivered(consent="all")

    def _round(self, consent: Consent, *, verify: bool = False) -> int:
        """Run each directory, and count the changes."""
        return sum([self._run(name, consent, verify=verify) for name in DIRECTORIES])

    def _marks(self) -> Iterator[str]:
        return (mark for kind in Kind for mark in self.judge.book[kind])

    def _homes(self) -> dict[tuple[Kind, str], str]:
        return {(kind, row.ref): row.mark for kind in Kind for row in self.judge.book[kind].values() if row.ref}

    def _run(
        self, name: str, consent: Consent, *, complete: bool = False, fails: bool = False, verify: bool = False
    ) -> int:
        """Run one directory, and count the changes. ``fails``: the target may fail."""
        assert self.town is not None
        report = self.town.run(name, self.life, adopt=consent, complete=complete, verify=verify)
        self.told.learn(name, self.life.without(self.town.removed))
        self.judge.observe(self.told, consent)
        errors = [error for error in (report.error, *(target.error for target in report.targets)) if error is not None]
        if any(not fails or "unexpected" in error for error in errors):
            raise Broken("\n".join(errors))
        return sum(target.counts.total for target in report.targets)
