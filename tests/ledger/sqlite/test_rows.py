"""Whole rows, as operators ask for them."""

import pytest

from proxy.domain.reservation import OPEN, State
from proxy.domain.scope import Scope
from proxy.domain.subject import RUN, Subject
from tests.ledger.builders import BOT, DEV, ask, declare, line, run_of
from tests.ledger.harness import SqliteHarness

SUBJECTS = {
    "dev": Subject(tenant="dev"),
    "bot": Subject(tenant="dev", agent="bot"),
    "bot 7": Subject(tenant="dev", agent="bot", dimensions={RUN: "7"}),
    "bot 70": Subject(tenant="dev", agent="bot", dimensions={RUN: "70"}),
    "other bot": Subject(tenant="dev", agent="bot0"),
    "other tenant": Subject(tenant="dev0", agent="bot"),
}


@pytest.mark.parametrize(
    ("scope", "limit", "found"),
    [
        (None, 9, [*SUBJECTS]),
        (DEV, 9, ["dev", "bot", "bot 7", "bot 70", "other bot"]),
        (BOT, 9, ["bot", "bot 7", "bot 70"]),
        (BOT, 2, ["bot 7", "bot 70"]),
        (run_of(BOT, "7"), 9, ["bot 7"]),
        (run_of(DEV, "7"), 1, ["bot 7"]),
        (Scope("tenant:dev/agent"), 9, []),
        (Scope("tenant:dev0"), 9, ["other tenant"]),
    ],
)
async def test_rows_at_or_below_a_scope_are_found_and_no_neighbours(
    sqlite: SqliteHarness, scope: Scope | None, limit: int, found: list[str]
) -> None:
    ledger = sqlite.ledger
    await declare(ledger, line(DEV, 100), line("tenant:dev0", 100))
    for key, subject in SUBJECTS.items():
        await ledger.reserve(ask(1, key=key, subject=subject))
    rows = await ledger.reservations(states=OPEN, limit=limit, scope=scope)
    assert [row.key for row in reversed(rows)] == found
    assert await ledger.reservations(states=frozenset({State.RELEASED}), limit=9, scope=scope) == ()
