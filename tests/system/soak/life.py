"""A random life: what happens to directories, configuration, daemon and files, in rounds with a check after each."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from random import Random

from tests.system.soak.audit import Audit
from tests.system.soak.company import Company
from tests.system.soak.site import Site


class Life:
    """``steps`` counts what happened, ``history`` has it in its order."""

    def __init__(self, site: Site, dice: Random) -> None:
        self.site = site
        self.audit = Audit(site)
        self.steps = Counter[str]()
        self.history: list[str] = []
        self._dice = dice
        self._deck = [partial(self._edit, Company.gets_dates), partial(self._edit, Company.many_end)]
        self._deck += [partial(self._note, Life._names_change), partial(self._note, Life._is_killed)]
        self._deck += [partial(self._edit, Company.many_leave)]  # What happens first in every life, from the end.
        self._undecided = False
        """Whether a held plan was left alone in the last round."""
        self._done: set[str] = set()
        """What happens once in a round at most, and has happened."""

    def begin(self) -> None:
        """The first deliveries."""
        self.audit.first_deliveries()
        self.audit.check()

    def round(self) -> None:
        """Some things happen. When it is quiet, the targets are compared, and a person decides about what is held."""
        self._done.clear()
        for company in self.site.companies.values():
            company.touched.clear()
        self._keep()
        if self._dice.random() < 0.5:
            self._release()
        for _ in range(self._dice.randint(3, 6)):
            self._next()()
        self.audit.check()
        self._decide()

    def end(self) -> None:
        """Everything that is held is approved, and the daemon ends."""
        self._undecided = True
        self._decide(always="approve")
        self.audit.check()
        assert not self.audit.held
        self.site.end(signal.SIGTERM)

    # ---- the deck

    def _next(self) -> Callable[[], None]:
        """Everything happens once before something happens again."""
        if not self._deck:
            self._deck = [partial(self._edit, edit) for edit in Company.edits]
            self._deck += [partial(self._note, action) for action in self._actions for _ in range(2)]
            self._dice.shuffle(self._deck)
        return self._deck.pop()

    def _note(self, action: Callable[[Life], None]) -> None:
        if action.__name__ not in self._done:
            self._done.add(action.__name__)
            self._say(action.__name__.strip("_"))
            action(self)

    def _say(self, step: str) -> None:
        self.steps[step.split()[0]] += 1
        self.history.append(step)

    def _edit(self, edit: Callable[[Company], None]) -> None:
        company = self.site.companies[self._dice.choice(self.site.listed)]
        self._say(f"{edit.__name__} in {company.name}")
        edit(company)
        company.write()

    # ---- what happens

    def _is_killed(self) -> None:
        self._wait(0.7)
        self.site.end(self._dice.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
        self._wait(0.3)
        self.site.start()

    def _is_synced_by_hand(self) -> None:
        code, _ = self.site.usersyncd("sync", self._dice.choice(self.site.listed))
        assert code in (0, 1, 3), code

    def _pull_breaks(self) -> None:
        company = self.site.companies["acme"]
        failed = self._failed()
        company.write(broken=True)
        self.site.wait("the broken file was not noticed", lambda: self._failed() > failed)
        company.write()

    def _failed(self) -> int:
        [(number,)] = self.site.query("SELECT count(*) FROM runs WHERE subject = 'acme' AND status = 'failed'")
        return int(number)

    def _lookup_changes(self) -> None:
        before = self.site.reloads()
        self.site.change_places()
        self.site.wait("the lookup file was not read", lambda: self.site.reloads() > before)

    def _lookup_breaks(self) -> None:
        before, refused = self.site.reloads(), self.site.reloads("config.not_reloaded")
        self.site.write_places(broken=True)
        self.site.wait("no fault was found", lambda: self.site.reloads("config.not_reloaded") > refused)
        self.site.write_places()
        self.site.wait("the lookup file was not read", lambda: self.site.reloads() > before)

    def _interval_changes(self) -> None:
        self.site.settings.every = "1h" if self.site.settings.every == "1s" else "1s"
        self._reconfigure()

    def _names_change(self) -> None:
        self.site.settings.upper ^= True
        self._reconfigure()

    def _scope_changes(self) -> None:
        self.site.settings.interns ^= True
        self._reconfigure()

    def _corp_comes_or_goes(self) -> None:
        self.site.settings.corp ^= True
        self._reconfigure()

    def _configuration_breaks(self) -> None:
        self.site.configure(broken=True)
        self.site.reload("config.not_reloaded")
        self._reconfigure()

    def _reconfigure(self) -> None:
        self.site.configure()
        self.site.reload()

    _actions: Sequence[Callable[[Life], None]] = (
        _is_killed, _is_synced_by_hand, _pull_breaks, _lookup_changes, _lookup_breaks, _interval_changes, _names_change,
        _scope_changes, _corp_comes_or_goes, _configuration_breaks,
    )  # fmt: skip

    def _wait(self, longest: float) -> None:
        """The moment of a death is left to chance."""
        time.sleep(self._dice.uniform(0, longest))

    # ---- decisions

    def _decide(self, always: str | None = None) -> None:
        for directory in sorted({directory for _, directory in self.audit.held}):
            verb = always or self._dice.choice(["approve", "reject", "leave"])
            if verb == "leave" and self._undecided:
                verb = "approve"
            self._say(f"{verb} {directory}")
            if verb != "leave":
                self.audit.decide(directory, verb)
        self._undecided = bool(self.audit.held)

    def _keep(self) -> None:
        """Nothing happens to people if their departure is held, or was rejected."""
        for name, company in self.site.companies.items():
            shares = [*self.audit.held.items(), *((share, kept.keys()) for share, kept in self.audit.kept.items())]
            company.kept = {id_ for (_, directory), ids in shares if directory == name for id_ in ids}

    def _release(self) -> None:
        """People whose departure was rejected are there again."""
        for name, company in self.site.companies.items():
            if name in self.site.listed and company.kept:
                self._say(f"released in {name}")
                company.release()
                company.write()

    def describe(self) -> Iterator[str]:
        """The figures of this life."""
        yield f"steps: {sum(self.steps.values())}, checks: {self.audit.checks}"
        yield f"causes: {self.audit.journal.causes}"
        yield f"{dict(self.steps)}"
