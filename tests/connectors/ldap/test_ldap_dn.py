"""All spellings of a DN have one normal form, and the fast path gives the same as the full parser."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from hypothesis import given
from hypothesis import strategies as st
from ldap.dn import is_dn

from usersyncd_ldap import dn

SAME = [
    ("UID=Ada,OU=People,DC=Acme", "uid=ada,ou=people,dc=acme"),
    ("uid=ada , ou = people,  dc=acme", "uid=ada,ou=people,dc=acme"),
    ("cn=Lovelace\\, Ada,dc=acme", "cn=lovelace\\2C ada,dc=acme"),
    ('cn="Lovelace, Ada",dc=acme', "cn=lovelace\\, ada,dc=acme"),
    ("cn=Ada   Lovelace,dc=acme", "cn=ada lovelace,dc=acme"),
    ("cn=ada+uid=7,dc=acme", "uid=7+cn=Ada,dc=acme"),
    ("cn=#0403416461,dc=acme", "cn=ada,dc=acme"),
    ("2.5.4.3=ada,0.9.2342.19200300.100.1.25=acme", "cn=ada,dc=acme"),
    ("cn=Zoe\u0308 STRAẞE,dc=acme", "cn=zoë straße,dc=acme"),
    ("cn=ΟΔΟΣ,dc=acme", "cn=οδοσ,dc=acme"),
    ("cn=İzmir,dc=acme", "cn=izmir,dc=acme"),
    ("cn=Zo\\C3\\AB,dc=acme", "cn=ZOË,dc=acme"),
    ("cn=\\ ada\\ ,dc=acme", "cn=ada,dc=acme"),
    ("cn=\\#1,dc=acme", "cn=\\231,dc=acme"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_of_one_name_have_one_normal_form(one: str, other: str) -> None:
    assert dn.normal(one) == dn.normal(other)
    assert dn.handles([one.encode()]) == dn.handles([other.encode()]) == {"dn:" + dn.normal(one)}


DIFFERENT = [
    ("cn=a\\,b,dc=acme", "cn=a,cn=b,dc=acme"),
    ("cn=a\\+cn=b,dc=acme", "cn=a+cn=b,dc=acme"),
    ("cn=ada lovelace,dc=acme", "cn=adalovelace,dc=acme"),
    ("cn=ada,ou=x,dc=acme", "cn=ada,dc=acme"),
    ("cn=#04034164,dc=acme", "cn=ad,dc=acme"),
    ("cn=Anna Weiß,dc=acme", "cn=Anna Weiss,dc=acme"),
    ("cn=οδος,dc=acme", "cn=οδοσ,dc=acme"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_names_stay_different(one: str, other: str) -> None:
    assert dn.normal(one) != dn.normal(other)


TYPES = st.sampled_from(["cn", "CN", "uid", "ou", "dc", "x-Own2", "2.5.4.3", "2.5.4.97", "1.2.3"])
VALUES = st.text(alphabet='aBz019 .-_@/=\\,+"#;<>2C\u00e4\u00df\u0130\u212a\u3000\n', max_size=8)
NAMES = st.lists(st.tuples(TYPES, st.sampled_from(["=", " = "]), VALUES).map("".join), min_size=1, max_size=4)
DNS = NAMES.flatmap(lambda rdns: st.sampled_from([",", ", ", " ,", "+", ";"]).map(lambda between: between.join(rdns)))
TEXTS = DNS | st.text(max_size=20).filter(lambda text: text.isprintable())


@given(TEXTS)
def test_the_fast_path_agrees_with_the_full_parser(text: str) -> None:
    assert dn.normal(text) == dn._parsed(text)


@given(st.lists(TEXTS, max_size=5))
def test_normalising_all_members_at_once_agrees_with_one_by_one(texts: list[str]) -> None:
    assert dn.handles([text.encode() for text in texts]) == {"dn:" + dn._parsed(text) for text in texts} - {"dn:"}


@given(DNS.filter(is_dn))
def test_the_normal_form_is_its_own_normal_form(text: str) -> None:
    assert dn.normal(dn.normal(text)) == dn.normal(text)


def test_an_empty_name_matches_no_entry() -> None:
    assert dn.handles([]) == dn.handles([b""]) == frozenset()
    assert dn.handles([b"", b"cn=ada"]) == {"dn:cn=ada"}


def test_half_a_million_members_are_cheap() -> None:
    groups = [[b"uid=u%d,ou=Our People,dc=Acme" % (n + m) for m in range(100)] for n in range(0, 500_000, 100)]
    start = time.process_time()
    assert sum(len(dn.handles(group)) for group in groups) == 500_000
    assert time.process_time() - start < 2, "seconds; a third of one on an idle machine"
