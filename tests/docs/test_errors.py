"""docs/errors.md against the table of refusals."""

import json
from datetime import datetime
from typing import Any

import pytest

from proxy.dialects.chat import CHAT
from proxy.dialects.dialect import Dialect
from proxy.dialects.messages import MESSAGES
from proxy.domain.errors import BudgetRefused, Reason, Refused, Shortage
from proxy.domain.money import Unit
from proxy.gateway.respond import REFUSALS, Answer, refusal_answer
from tests.docs.pages import blocks, code, codes, page, section, table

DENY_STATUS = 429
TEXT = page("errors.md")


def answer_to(refused: Refused, *, dialect: Dialect = CHAT, trace_id: str = "0" * 32) -> Answer:
    return refusal_answer(
        dialect, refused, deny_status=DENY_STATUS, trace_id=trace_id, affordable_max_tokens=0
    )


def error_of(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.body)["error"]
    return found


def test_every_reason_has_one_row() -> None:
    rows = table(section(TEXT, "All reasons"), "reason", "status")
    assert sorted(code(row["reason"]) for row in rows) == sorted(Reason)


def test_every_reason_has_advice_once() -> None:
    rows = table(section(TEXT, "What to do"), "reason", "what happened")
    assert sorted(code(row["reason"]) for row in rows) == sorted(Reason)


@pytest.mark.parametrize(
    "row", table(section(TEXT, "All reasons"), "reason", "status"), ids=lambda row: row["reason"]
)
def test_a_row_says_what_the_wire_says(row: dict[str, str]) -> None:
    reason = Reason(code(row["reason"]))
    answer = answer_to(Refused(reason, "why"))
    error = error_of(answer)
    retry_headers = [name for name in ("Retry-After", "retry-after-ms") if name in answer.headers]
    if "x-should-retry" in answer.headers:
        retry_headers.append(f"x-should-retry: {answer.headers['x-should-retry']}")

    is_configured = REFUSALS[reason].status is None
    assert row["status"] == f"{answer.status}{' ¹' if is_configured else ''}"
    assert code(row["type"]) == error["type"]
    assert code(row["code"]) == error["code"]
    in_messages = error_of(answer_to(Refused(reason, "why"), dialect=MESSAGES))
    assert code(row["type in Messages"]) == in_messages["type"]
    assert codes(row["retry headers"]) == retry_headers


@pytest.mark.parametrize("block", blocks(TEXT, "json"))
def test_an_example_is_what_the_proxy_would_send(block: str) -> None:
    body = json.loads(block)
    budget = body["error"]["budget"]
    reason = Reason(budget["reason"])
    refused = Refused(reason, body["error"]["message"], param=body["error"].get("param"))
    if "scope" in budget:
        resets_at = datetime.fromisoformat(budget["resets_at"])
        refused = BudgetRefused(
            reason,
            Shortage(
                scope=budget["scope"],
                unit=Unit(budget["unit"]),
                required=budget["required"],
                remaining=budget["remaining"],
                resets_at_ms=int(resets_at.timestamp() * 1000),
            ),
        )

    dialect = MESSAGES if body.get("type") == "error" else CHAT
    answer = answer_to(refused, dialect=dialect, trace_id=budget["trace_id"])
    assert json.loads(answer.body) == body


def test_the_fields_of_a_refusal_are_described() -> None:
    described = {code(row["field of `error.budget`"]) for row in table(TEXT, "meaning")}
    (example, in_messages, *_) = blocks(TEXT, "json")
    assert described == json.loads(example)["error"]["budget"].keys()
    assert described == json.loads(in_messages)["error"]["budget"].keys()
