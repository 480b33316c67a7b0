"""`spendgate report estimates`, on ledgers with a past."""

from pathlib import Path
from typing import Any

import pytest

from proxy.cli.report import reading
from proxy.domain.money import Unit
from proxy.domain.subject import Subject
from proxy.ledger.records import ReserveRequest, Span
from proxy.opening import Home
from tests.cli.books.ledgers import on_ledger
from tests.cli.commands import answered, run

USD = Unit.USD_MICROCENTS


def call(
    config_file: Path, number: int, *, held: int = 1_000, actual: int | None = 400, **more: str
) -> None:
    """A call that was held for, and perhaps charged."""

    async def work(ledger: Home) -> None:
        request = ReserveRequest(
            key=f"call-{number}",
            payload_hash=f"call-{number}",
            subject=Subject(tenant="dev"),
            plan=({USD: Span(held, held)},),
            ttl_ms=60_000,
            metadata={"api": "chat", "model": "gpt-4o", "bound": "exact", **more},
        )
        grant = await ledger.reserve(request)
        if actual is not None:
            await ledger.dispatch(grant.reservation_id)
            key = f"{grant.reservation_id}/settle"
            await ledger.commit(
                grant.reservation_id, actual={USD: actual}, key=key, payload_hash=key
            )

    on_ledger(config_file, work)


def report(config_file: Path, *more: str) -> Any:
    return answered("report", "estimates", "-c", str(config_file), *more)


def test_each_kind_of_calls_is_graded(config_file: Path) -> None:
    for number, actual in enumerate((100, 400, 900)):
        call(config_file, number, actual=actual)
    call(config_file, 7, model="gpt-4.1", bound="margin", hold="learned", held=50, actual=50)
    call(config_file, 8, actual=None)

    first, second = report(config_file)

    assert first == {
        "model": "gpt-4o",
        "api": "chat",
        "bound": "exact",
        "hold": "worst_case",
        "calls": 3,
        "estimated": 0,
        "broken": 0,
        "covered_permille": 1_000,
        "ratio_permille": {"p10": 100, "p50": 400, "p90": 900, "p95": 900, "p99": 900, "p100": 900},
        "held_microcents": 3_000,
        "actual_microcents": 1_400,
    }
    assert (second["model"], second["bound"], second["hold"]) == ("gpt-4.1", "margin", "learned")
    assert second["ratio_permille"]["p50"] == 1_000


def test_rows_are_read_page_by_page(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BATCH_ROWS", 2)
    for number in range(5):
        call(config_file, number)

    (only,) = report(config_file)

    assert only["calls"] == 5


def test_a_bound_that_was_none_is_the_answer_no(config_file: Path) -> None:
    call(config_file, 1, actual=1_001)

    result = run("report", "estimates", "-c", str(config_file))

    assert result.exit_code == 1
    assert "gpt-4o at chat: 1 call came to more than the hold" in result.stdout
    assert "100.1%" in result.stdout


def test_people_get_a_table(config_file: Path) -> None:
    call(config_file, 1, actual=250)

    result = run("report", "estimates", "-c", str(config_file))

    assert result.exit_code == 0
    heading, line, *_ = result.stdout.splitlines()
    assert heading.split()[:4] == ["model", "api", "bound", "hold"]
    assert line.split() == [
        "gpt-4o", "chat", "exact", "worst_case", "1", "0", "100.0%", "25.0%", "25.0%", "25.0%",
        "4.0", "x",
    ]  # fmt: skip


def test_the_page_is_written(config_file: Path, tmp_path: Path) -> None:
    call(config_file, 1)
    page = tmp_path / "estimates.html"

    run("report", "estimates", "-c", str(config_file), "--html", str(page))

    assert "gpt-4o at chat" in page.read_text("utf-8")


def test_a_page_that_cannot_be_written_is_the_answer_no(config_file: Path, tmp_path: Path) -> None:
    page = tmp_path / "nowhere" / "estimates.html"

    result = run("report", "estimates", "-c", str(config_file), "--html", str(page))

    assert result.exit_code == 1
    assert "No such file" in result.stderr


def test_without_calls_it_says_so(config_file: Path) -> None:
    result = run("report", "estimates", "-c", str(config_file))

    assert (result.exit_code, result.stdout) == (0, "No call has been charged in this time.\n")
