"""What 389 Directory Server computes of people from other entries: locked roles, and classes of service."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed (the extra ldap)")

from tests.connectors.ldap.directory import Directory389
from tests.connectors.ldap.people import PEOPLE, READS, person
from tests.servers.ldap_server import Attributes
from tests.servers.slapd import BASE, company

TEMPS, DISABLED = f"cn=temps,{BASE}", f"cn=nsDisabledRole,{BASE}"
TEMPLATES, SUBENTRY = f"cn=templates,{BASE}", ["top", "ldapsubentry"]


@pytest.fixture
def directory(serve389: Callable[..., Directory389]) -> Directory389:
    """``u1`` is a temp. Whose role is a part of nsDisabledRole is locked, as `dsidm role lock` arranges it."""
    found = serve389(*company(people=5, groups=1, memberships=3))
    found.reads = READS
    role = [*SUBENTRY, "nsRoleDefinition"]
    simple, nested = ["nsSimpleRoleDefinition", "nsManagedRoleDefinition"], ["nsComplexRoleDefinition"]
    found.server.add(TEMPS, {"objectClass": [*role, *simple]})
    found.server.add(f"cn=nobody,{BASE}", {"objectClass": [*role, *simple]})
    lock: Attributes = {"objectClass": [*role, *nested, "nsNestedRoleDefinition"], "nsRoleDN": f"cn=nobody,{BASE}"}
    found.server.add(DISABLED, lock)
    found.server.add(TEMPLATES, {"objectClass": "nsContainer"})
    template = [*SUBENTRY, "extensibleObject", "cosTemplate"]
    found.server.add(f'cn="{DISABLED}",{TEMPLATES}', {"objectClass": template, "nsAccountLock": "true"})
    found.server.add(
        f"cn=locks,{BASE}",
        {
            "objectClass": [*SUBENTRY, "cosSuperDefinition", "cosClassicDefinition"],
            "cosTemplateDn": TEMPLATES,
            "cosSpecifier": "nsRole",
            "cosAttribute": "nsAccountLock operational",
        },
    )
    found.server.modify(f"uid=u1,{PEOPLE}", {"nsRoleDN": TEMPS})
    return found


async def test_a_user_with_a_locked_role_is_inactive(directory: Directory389) -> None:
    assert (await directory.follow()).user("u1")["active"] is True
    directory.server.modify(DISABLED, {"nsRoleDN": [f"cn=nobody,{BASE}", TEMPS]})
    mirror = await directory.follow()
    assert mirror.pulls == [0, 2]
    assert [user["userName"] for user in people(directory) if not user["active"]] == ["u1"]
    directory.server.modify(f"uid=u2,{PEOPLE}", {"nsRoleDN": TEMPS})  # the server reports it
    assert (await directory.agrees()).user("u2")["active"] is False
    directory.server.modify(DISABLED, {"nsRoleDN": f"cn=nobody,{BASE}"})
    await directory.follow()
    assert all(user["active"] for user in people(directory))
    assert any("a role or a class of service changed" in str(entry.get("why")) for entry in directory.log.entries)


async def test_a_class_of_service_gives_another_value(directory: Directory389) -> None:
    template = f"cn=office,{BASE}"
    directory.server.add(template, {"objectClass": ["cosTemplate", "extensibleObject"], "title": "Cook"})
    pointer = [*SUBENTRY, "cosSuperDefinition", "cosPointerDefinition"]
    title = {"cosTemplateDn": template, "cosAttribute": "title override"}
    directory.server.add(f"cn=titles,{PEOPLE}", {"objectClass": pointer, **title})
    assert (await directory.follow()).user("u1")["title"] == "Cook"
    directory.server.modify(template, {"title": "Countess"})
    assert (await directory.follow()).user("u1")["title"] == "Countess"


async def test_what_comes_from_other_peoples_entries_is_read_completely(directory: Directory389) -> None:
    indirect = [*SUBENTRY, "cosSuperDefinition", "cosIndirectDefinition"]
    where = {"cosIndirectSpecifier": "manager", "cosAttribute": "departmentNumber"}
    directory.server.add(f"cn=departments,{PEOPLE}", {"objectClass": indirect, **where})
    person(directory, "eve", manager=f"uid=u1,{PEOPLE}")
    assert any("takes departmentnumber from other entries" in line for line in await directory.check())
    await directory.follow()
    directory.server.modify(f"uid=u1,{PEOPLE}", {"departmentNumber": "Kitchen"})
    assert (await directory.follow()).user("eve")["department"] == "Kitchen"


def people(directory: Directory389) -> list[dict[str, object]]:
    return [dict(user) for user in directory.mirror.records.values() if "userName" in user]
