"""The codes are the seventeen of the protocol, each with its status."""

import pytest

from proxy.cycles_wire.errors import ErrorCode, ErrorResponse
from proxy.cycles_wire.responses import CommitResponse, write
from proxy.cycles_wire.schemas import Amount
from proxy.domain.money import Unit
from tests.cycles_wire.published import needs_document, schema


@needs_document
def test_the_codes_are_the_published_ones() -> None:
    assert list(ErrorCode) == schema("ErrorCode")["enum"]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("INVALID_REQUEST", 400),
        ("UNIT_MISMATCH", 400),
        ("UNAUTHORIZED", 401),
        ("FORBIDDEN", 403),
        ("NOT_FOUND", 404),
        ("BUDGET_EXCEEDED", 409),
        ("BUDGET_FROZEN", 409),
        ("BUDGET_CLOSED", 409),
        ("OVERDRAFT_LIMIT_EXCEEDED", 409),
        ("DEBT_OUTSTANDING", 409),
        ("IDEMPOTENCY_MISMATCH", 409),
        ("RESERVATION_FINALIZED", 409),
        ("MAX_EXTENSIONS_EXCEEDED", 409),
        ("TENANT_CLOSED", 409),
        ("RESERVATION_EXPIRED", 410),
        ("LIMIT_EXCEEDED", 429),
        ("INTERNAL_ERROR", 500),
    ],
)
def test_a_code_has_a_status(code: str, status: int) -> None:
    """Source: cycles-protocol-v0.yaml, "ERROR SEMANTICS", and its responses by status."""
    assert ErrorCode(code).status == status


def test_an_error_has_no_nulls() -> None:
    error = ErrorResponse(error=ErrorCode.NOT_FOUND, message="No such.", request_id="r-1")
    assert write(error) == b'{"error":"NOT_FOUND","message":"No such.","request_id":"r-1"}'


def test_an_answer_says_how_it_ended_and_nothing_that_is_not_there() -> None:
    answer = CommitResponse(charged=Amount(unit=Unit.TOKENS, amount=3))
    assert write(answer) == b'{"status":"COMMITTED","charged":{"unit":"TOKENS","amount":3}}'
