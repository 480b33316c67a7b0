"""A ledger at an authority elsewhere: what has to be said, and what would have no effect."""

import pytest

from proxy.config.checks import errors, warnings
from proxy.config.convert import ledger_place
from tests.config.writing import problems, read

ELSEWHERE = "ledger: {url: 'cycles+https://authority:7878/base', api_key: cyc_secret%s}"
TENANT = "identity: {default: {tenant: %s}}"


def test_its_address_and_a_key_are_all_it_takes() -> None:
    config = read(ELSEWHERE % "" + "\n" + TENANT % "dev")
    assert config.ledger.api_key is not None
    assert config.ledger.api_key.get_secret_value() == "cyc_secret"
    assert [*errors(config), *warnings(config)] == []
    assert "cyc_secret" not in repr(config)


def test_calls_are_not_deduped_there() -> None:
    ((path, problem),) = problems(ELSEWHERE % "" + "\ndedupe: {window_ms: 1000}")
    assert path == "dedupe.window_ms"
    assert problem.startswith("not supported with the authority at ledger.url")


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("cycles+https://", "write cycles+https://HOST:PORT"),
        ("cycles+https://a:0", "write cycles+https://HOST:PORT"),
        ("cycles+https://a:x", "the port or the host is none"),
        ("cycles+https://a?b=c", "options in the address are not accepted"),
        (
            "cycles+https://me:secret@a",
            "a key does not belong into the address: set ledger.api_key",
        ),
    ],
)
def test_an_address_that_is_none_is_told_without_what_it_holds(address: str, problem: str) -> None:
    text = f"ledger: {{url: '{address}', api_key: k}}"
    assert problems(text) == [("ledger.url", problem)]


@pytest.mark.parametrize("key", ["", ", api_key: ''", ", api_key: null"])
def test_it_needs_a_key(key: str) -> None:
    assert problems(f"ledger: {{url: 'cycles+http://a'{key}}}") == [
        ("ledger.api_key", "needed by the authority at ledger.url")
    ]


def test_a_key_that_no_header_can_carry_is_refused_unquoted() -> None:
    (problem,) = problems('ledger: {url: "cycles+http://a", api_key: "cyc secret"}')
    assert problem == (
        "ledger.api_key",
        "blanks, line ends or other characters that no HTTP header can carry",
    )


def test_a_key_is_for_an_authority_only() -> None:
    assert problems("ledger: {api_key: x}") == [
        ("ledger.api_key", "for an authority elsewhere: cycles+https://")
    ]


@pytest.mark.parametrize(
    ("rest", "path"),
    [
        (", config_version: 2", "ledger.config_version"),
        (", retention: 90d", "ledger.retention"),
        (", durability: power", "ledger.durability"),
        (", replay_ms: 10000", "ledger.replay_ms"),
    ],
)
def test_what_the_authority_decides_is_not_ours_to_say(rest: str, path: str) -> None:
    ((found, problem),) = problems(ELSEWHERE % rest)
    assert found == path
    assert "without effect" in problem


def test_budgets_are_made_there() -> None:
    text = ELSEWHERE % "" + "\nbudgets: [{scope: 'tenant:dev', allocated: $1}]"
    assert problems(text) == [("budgets", "made at the authority at ledger.url, not here: none")]


def test_what_waits_for_one_tenant_there_is_not_anothers() -> None:
    """The key is no part of it: a key that was replaced finds what the old one left."""
    one, two = (read(ELSEWHERE % "" + "\n" + TENANT % tenant) for tenant in ("a", "b"))
    rotated = read((ELSEWHERE % "").replace("cyc_secret", "cyc_other") + "\n" + TENANT % "a")
    assert ledger_place(one) != ledger_place(two)
    assert ledger_place(one) == ledger_place(rotated)
    assert "cyc" not in ledger_place(one)
