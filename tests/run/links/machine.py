"""Everything that happens in life, in any order, while the target fails and others write into it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.run.links import life as lives
from tests.run.links.judge import Broken, Consent, Judge
from tests.run.links.life import ADDRESSES, DIRECTORIES, NAMES, PEOPLE, TEAMS, Edit, Life
from tests.run.links.moody import Mood
from tests.run.links.shop import PROTECTED_ROLE, Shop
from tests.run.links.town import Town
from usersyncd.plugin import Kind

MEMORY = Path("/dev/shm")
"""Thousands of runs, each of which waits for the disk several times: better where nothing has to be waited for."""

ROUNDS = 10
"""After so many runs of both directories everything is delivered: keys may pass from one to the other."""


def _either(people: st.SearchStrategy[Any], teams: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.one_of(people.map(lambda rest: (Kind.USER, *rest)), teams.map(lambda rest: (Kind.GROUP, *rest)))


_person, _team = st.sampled_from(PEOPLE), st.sampled_from(TEAMS)
_address, _name = st.sampled_from(ADDRESSES), st.sampled_from(NAMES)
_acme, _acme_teams = _person.filter(lambda id_: id_[0] == "a"), _team.filter(lambda id_: id_[0] == "a")

someone = _either(st.tuples(_person), st.tuples(_team))
someone_and_key = _either(st.tuples(_person, _address), st.tuples(_team, _name))
two = _either(st.tuples(_person, _person), st.tuples(_team, _team))
two_and_key = _either(st.tuples(_acme, _acme, _address), st.tuples(_acme_teams, _acme_teams, _name))
key = _either(st.tuples(st.none() | _address), st.tuples(st.none() | _name))

edits: st.SearchStrategy[Edit] = st.one_of(
    someone_and_key.map(lambda rest: (lives.comes, *rest)),
    someone.map(lambda rest: (lives.leaves, *rest)),
    two.map(lambda rest: (lives.comes_back_as, *rest)),
    two.map(lambda rest: (lives.swap, *rest)),
    key.map(lambda rest: (lives.rotate, *rest)),
    two_and_key.map(lambda rest: (lives.hands_over, *rest)),
    someone.map(lambda rest: (lives.is_renamed, *rest)),
    st.tuples(st.just(lives.membership), _team, _person, st.sampled_from([True, True, False])),
)

moods = st.one_of(
    st.builds(Mood, down=st.just(True)),
    st.builds(Mood, refuse=st.frozensets(_person | _team, min_size=1, max_size=2)),
    st.builds(
        Mood,
        refuse=st.frozensets(_person, max_size=1),
        death=st.sampled_from(["before", "after", "midway"]),
        batches=st.integers(0, 4),
    ),
)


class Links(RuleBasedStateMachine):
    """``shop`` makes the target in which it happens."""

    def shop(self) -> Shop:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.town: Town | None = None

    def teardown(self) -> None:
        try:
            if self.town is not None:
                self.everything_is_delivered(consent="all")
                self.town.close()
        finally:
            shutil.rmtree(self.folder)

    @initialize(deletes=st.booleans(), incremental=st.booleans(), seats=st.permutations(ADDRESSES))
    def begin(self, deletes: bool, incremental: bool, seats: list[str]) -> None:
        self.life = Life()
        self.town = Town(self.folder, self.shop(), deletes=deletes, incremental=incremental)
        self.judge = Judge(self.town.shop, deletes)
        for person, address in zip(("a1", "a2", "a3", "b1"), seats, strict=False):
            lives.comes(self.life, Kind.USER, person, address)
        for team, name in zip(TEAMS, NAMES, strict=True):
            lives.comes(self.life, Kind.GROUP, team, name)
        for team, person in (("ag1", "a1"), ("ag1", "a2"), ("ag2", "a3"), ("bg1", "b1")):
            lives.membership(self.life, team, person, stays=True)
        self.everything_is_delivered(consent=())

    # ---- the directories change

    @rule(edits=st.lists(edits, min_size=1, max_size=4))
    def life_goes_on(self, edits: list[Edit]) -> None:
        for edit, *arguments in edits:
            edit(self.life, *arguments)

    # ---- others write into the target

    @rule(who=someone_and_key, role=st.sampled_from([None, "user", PROTECTED_ROLE]), active=st.booleans())
    def the_application_inserts(self, who: tuple[Any, ...], role: str | None, active: bool) -> None:
        kind, _, taken = who
        self.judge.inserts(kind, taken, role, active=active)
        self.judge.connects()

    @rule(who=someone, role=st.sampled_from(["user", "admin", PROTECTED_ROLE]))
    def the_application_promotes(self, who: tuple[Any, ...], role: str) -> None:
        kind, id_ = who
        self.judge.promotes(kind, id_, role)

    @rule(who=someone)
    def the_application_deletes(self, who: tuple[Any, ...]) -> None:
        self.judge.deletes_by_hand(*who)

    @rule(who=someone_and_key)
    def the_application_rewrites_a_key(self, who: tuple[Any, ...]) -> None:
        self.judge.rewrites(*who)

    # ---- runs

    @rule(name=st.sampled_from(DIRECTORIES), mood=moods)
    def the_target_fails(self, name: str, mood: Mood) -> None:
        assert self.town is not None
        vars(self.town.mood).update(vars(mood))
        self._run(name, (), fails=True)
        vars(self.town.mood).update(vars(Mood()))

    @rule(name=st.sampled_from(DIRECTORIES), complete=st.booleans(), consent=st.just(()) | st.frozensets(_person))
    def a_directory_is_delivered(self, name: str, complete: bool, consent: Consent) -> None:
        self._run(name, consent, complete=complete)

    @rule(consent=st.sampled_from([(), "all"]))
    def everything_is_delivered(self, consent: Consent) -> None:
        """Until nothing is left to do; then everything is as the directories say."""
        for kind, id_ in self.judge.damaged:
            self.life.heal(kind, id_)
        if self.judge.damaged:
            self._round(consent)  # That an object is not there is found out by a run that does nothing else.
        self.judge.damaged.clear()
        for _ in range(ROUNDS):
            if not self._round(consent):
                break
        else:
            raise Broken("there is always something to do")
        self.judge.promises(self.life, consent)

    # ---- the state is put back

    @rule()
    def the_state_is_saved(self) -> None:
        assert self.town is not None
        self.town.save()
        self.homes = self._homes() | dict.fromkeys(self.judge.damaged, "unknown")

    @rule(mood=st.none() | moods)
    def the_state_is_put_back(self, mood: Mood | None) -> None:
        """Whoever was made again since then has an object of which the state cannot know: somebody deletes it, and it
        is made once more."""
        assert self.town is not None
        if not self.town.is_saved:
            return
        self.everything_is_delivered(consent="all")
        self.town.restore()
        for who, mark in self._homes().items():
            if self.homes.get(who, mark) != mark:
                self.judge.deletes_by_hand(*who)
        if mood is not None:
            self.the_target_fails(DIRECTORIES[0], mood)
        self.everything_is_delivered(consent="all")

    def _round(self, consent: Consent) -> int:
        """How much was done in a run of each directory."""
        return sum([self._run(name, consent) for name in DIRECTORIES])

    def _homes(self) -> dict[tuple[Kind, str], str]:
        return {(kind, row.ref): row.mark for kind in Kind for row in self.judge.book[kind].values() if row.ref}

    def _run(self, name: str, consent: Consent, *, complete: bool = False, fails: bool = False) -> int:
        """How much was done. ``fails``: the target may."""
        assert self.town is not None
        report = self.town.run(name, self.life, adopt=consent, complete=complete)
        self.judge.observe(self.life, consent)
        errors = [error for error in (report.error, *(target.error for target in report.targets)) if error is not None]
        if any(not fails or "unexpected" in error for error in errors):
            raise Broken("\n".join(errors))
        return sum(target.counts.total for target in report.targets)
