import json
from collections.abc import Mapping
from typing import Any

import pytest

from proxy.authority.plane import find_operation
from proxy.cycles_wire.reading import read_request
from tests.benchmarks.protocol.requests import (
    LEVELS,
    SECRET,
    Asks,
    Operation,
    ProtocolRequests,
    actual_of,
    estimate_of,
    reservation_ids_in,
)

IDS = tuple(f"{number:08d}-aaaa-4bbb-8ccc-0123456789ab" for number in range(3))


def parsed(request: bytes) -> tuple[str, Mapping[str, str], bytes]:
    """The path, the headers, the body."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    method, path, version = first.split(" ")
    assert (method, version) == ("POST", "HTTP/1.1")
    assert int(headers["Content-Length"]) == len(body)
    return path, headers, body


def made(operation: Operation, count: int) -> list[bytes]:
    requests = ProtocolRequests("localhost:1", Asks(operation, "a 100% label", IDS))
    return [requests.next() for _ in range(count)]


@pytest.mark.parametrize("operation", Operation)
def test_each_request_is_one_that_the_protocol_allows(operation: Operation) -> None:
    path, headers, body = parsed(made(operation, 1)[0])
    served, _ = find_operation("POST", path)
    assert served.name.startswith({"reserve": "createReservation"}.get(operation, operation))
    assert served.request is not None
    request = read_request(body, served.request)
    assert headers["X-Cycles-API-Key"] == SECRET
    assert headers["X-Idempotency-Key"] == request.idempotency_key


@pytest.mark.parametrize("operation", Operation)
def test_no_two_requests_share_a_key_and_nothing_else_changes_but_the_amount(
    operation: Operation,
) -> None:
    bodies = [json.loads(parsed(request)[2]) for request in made(operation, 3)]
    keys = [body.pop("idempotency_key") for body in bodies]
    assert keys == [f"a 100% label-0000000{serial}" for serial in (1, 2, 3)]
    field, amount_of = (
        ("actual", actual_of) if operation is Operation.COMMIT else ("estimate", estimate_of)
    )
    assert [body[field].pop("amount") for body in bodies] == [amount_of(n) for n in (1, 2, 3)]
    assert bodies[0] == bodies[1] == bodies[2]
    if operation is not Operation.COMMIT:
        assert [*bodies[0]["subject"]] == [*LEVELS]


def test_a_commit_ends_one_hold_after_another_and_charges_less_than_it_held() -> None:
    paths = [parsed(request)[0] for request in made(Operation.COMMIT, 3)]
    assert paths == [f"/v1/reservations/{name}/commit" for name in IDS]
    assert max(map(actual_of, range(2_000))) < min(map(estimate_of, range(2_000)))


@pytest.mark.parametrize("operation", Operation)
def test_all_requests_have_one_length(operation: Operation) -> None:
    assert len({len(request) for request in made(operation, 3)}) == 1


def test_the_ids_of_holds_are_read_off_the_answers() -> None:
    answer: dict[str, Any] = {"decision": "ALLOW", "reservation_id": "abc", "reserved": {}}
    assert reservation_ids_in(
        [json.dumps(answer, separators=(",", ":")).encode(), b'{"decision":"ALLOW"}']
    ) == ("abc",)
