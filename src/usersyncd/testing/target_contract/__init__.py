"""The contract of a target, as tests. Inherit them, and provide a test target::

    class TestShop(TargetContract):
        target = ShopTarget

        @pytest.fixture def options(self, shop): ...        # an empty target; return its options, as in the YAML

        @pytest.fixture
        def other_options(self): ...        # optional: the options of another target

        @pytest.fixture def contents(self, shop, layouts): ...      # return a function that returns its Contents

        @pytest.fixture
        def refused(self): ...              # attributes that the target refuses in a user

        @pytest.fixture
        def break_target(self, shop): ...   # return a function that makes it unreachable

The tests are plain functions and start their own event loops, so pytest is all they need.
"""

from __future__ import annotations

from usersyncd.testing.target_contract.answers import Contents
from usersyncd.testing.target_contract.blocked_keys import BlockedKeyPromises
from usersyncd.testing.target_contract.ending import EndingPromises
from usersyncd.testing.target_contract.failing import FailurePromises
from usersyncd.testing.target_contract.interface import InterfacePromises
from usersyncd.testing.target_contract.keys import KeyPromises
from usersyncd.testing.target_contract.listing import ListingPromises
from usersyncd.testing.target_contract.lookups import LookupPromises
from usersyncd.testing.target_contract.memberships import MembershipPromises
from usersyncd.testing.target_contract.protection import ProtectionPromises
from usersyncd.testing.target_contract.records import RecordPromises
from usersyncd.testing.target_contract.renaming import RenamingPromises


class TargetContract(
    InterfacePromises,
    RecordPromises,
    KeyPromises,
    BlockedKeyPromises,
    MembershipPromises,
    LookupPromises,
    ListingPromises,
    ProtectionPromises,
    RenamingPromises,
    FailurePromises,
    EndingPromises,
):
    """One test for each rule of the contract. Override ``target``, ``options``, ``contents``, ``refused`` and
    ``break_target``."""


__all__ = ["Contents", "TargetContract"]
