"""A push that changes nothing that a target holds changes nothing in the target."""

from __future__ import annotations

from tests.push.operations import patch, post
from tests.push.pushing import PushingWorld
from tests.run.world import rules
from usersyncd.core.model import Ruleset


def test_the_time_of_a_change_alone_is_not_delivered(acme: PushingWorld) -> None:
    """`meta.lastModified` changes with every attribute, also with those that no target holds."""
    acme.target(users=Ruleset(), groups=Ruleset())
    [ada] = acme.created(post("ada", title="Cook"))
    assert acme.run().targets[0].counts.users.create == 1
    acme.push(patch(ada, nickName="Countess"))
    [target] = acme.run().targets
    assert (target.counts.users.update, target.entries) == (0, 0)
    acme.push(patch(ada, title="Boss"))
    assert acme.run().targets[0].counts.users.update == 1


def test_the_time_is_delivered_to_a_target_that_asks_for_it(acme: PushingWorld) -> None:
    acme.target(users=rules(key="login", login="user.userName", changed="user.updatedAt"))
    [ada] = acme.created(post("ada"))
    acme.run()
    acme.push(patch(ada, nickName="Countess"))
    assert acme.run().targets[0].counts.users.update == 1
