"""The subject of a request is the one that budgets know, however it is spelled."""

import pytest
from msgspec import UNSET

from proxy.cycles_wire import schemas
from proxy.cycles_wire.subjects import subject_of, wire_subject
from proxy.domain.scope import derive, encode_value
from proxy.domain.subject import Subject


def test_levels_are_as_scopes_have_them() -> None:
    wire = schemas.Subject(tenant="Acme", agent="jo@example.com", dimensions={"run": "Seven 7"})
    subject = subject_of(wire)
    assert subject.tenant == "acme"
    assert subject.agent == encode_value("jo@example.com")
    assert subject.dimensions == {"run": "Seven 7"}
    assert derive(subject)[-1] == f"tenant:acme/agent:{encode_value('jo@example.com')}"


def test_a_tenant_stands_in_where_none_is_named() -> None:
    """Otherwise `workspace:prod` would be one scope of all tenants."""
    assert subject_of(schemas.Subject(app="a"), tenant="Dev").tenant == "dev"
    assert subject_of(schemas.Subject(tenant="b", app="a"), tenant="dev").tenant == "b"


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_level_is_an_error(value: str) -> None:
    with pytest.raises(ValueError, match="The agent of the subject is empty"):
        subject_of(schemas.Subject(tenant="acme", agent=value))


def test_a_subject_names_a_level() -> None:
    with pytest.raises(ValueError, match="at least one of tenant, workspace"):
        schemas.Subject(dimensions={"run": "7"})


def test_the_way_back_leaves_out_what_is_not_there() -> None:
    subject = Subject(tenant="acme", toolset="t")
    assert wire_subject(subject) == schemas.Subject(tenant="acme", toolset="t")
    assert wire_subject(subject).dimensions is UNSET
    assert subject_of(wire_subject(subject)) == subject
