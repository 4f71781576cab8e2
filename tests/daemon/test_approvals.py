"""The daemon notices decisions in the state database."""

from __future__ import annotations

from usersyncd.daemon.approvals import Approvals
from usersyncd.errors import StateError

DECISIONS = ["app", "crm", "app"]
"""The targets of the decisions 1, 2 and 3."""


class State:
    """A state database that can fail."""

    def __init__(self) -> None:
        self.made = 0
        self.fails = False

    def find(self, after: int) -> tuple[int, set[str]]:
        if self.fails:
            raise StateError("it does not answer")
        return self.made, set(DECISIONS[after : self.made])


async def test_each_decision_is_noticed_once() -> None:
    state, noticed = State(), list[str]()
    approvals = Approvals(state.find, noticed.append)
    await approvals.look()
    assert not noticed
    state.made = 2
    await approvals.look()
    await approvals.look()
    assert sorted(noticed) == ["app", "crm"]
    state.made = 3
    await approvals.look()
    assert sorted(noticed) == ["app", "app", "crm"]


async def test_a_state_that_does_not_answer_is_read_again() -> None:
    state, noticed = State(), list[str]()
    approvals = Approvals(state.find, noticed.append)
    state.made, state.fails = 1, True
    await approvals.look()
    state.fails = False
    await approvals.look()
    assert noticed == ["app"]


async def test_decisions_made_before_the_start_are_not_noticed() -> None:
    state, noticed = State(), list[str]()
    approvals = Approvals(state.find, noticed.append)
    state.made = 2
    await approvals.begin()
    state.made = 3
    await approvals.look()
    assert noticed == ["app"]
