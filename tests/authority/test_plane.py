"""What every request meets: routes, bodies, traces, caps and lines in the log."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from proxy.authority.exchange import Reply
from proxy.authority.openapi import document
from proxy.domain.decision import Caps
from proxy.domain.errors import Reason, Refused
from proxy.domain.money import WIRE_UNITS
from proxy.domain.policy import Band, Policy
from proxy.domain.scope import parse_pattern
from proxy.observe.metrics import Metrics
from tests.authority.rig import DEV, TRACE_ID, Rig, Sent, plane_over, running, spending

VALID = json.dumps(spending("estimate", 1)).encode()


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/reservations", "POST, GET"),
        ("DELETE", "/v1/reservations/rsv_a", "GET"),
        ("GET", "/v1/reservations/rsv_a/commit", "POST"),
        ("GET", "/v1/decide", "POST"),
        ("POST", "/v1/balances", "GET"),
        ("GET", "/v1/events", "POST"),
    ],
)
async def test_a_wrong_method_says_which_is_right(
    rig: Rig, method: str, path: str, allowed: str
) -> None:
    came = await rig.ask(method, path)
    assert (came.status, came.code) == (405, "INVALID_REQUEST")
    assert set(came.headers["Allow"].split(", ")) == set(allowed.split(", "))


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/reservations/",
        "/v1/reservations//commit",
        "/v1/reservations/a/b",
        "/v1/reservations/a/commit/b",
        "/v1/reservations/{reservation_id}/x",
        "/v1/evidence/" + "0" * 64,
        "/v1/.well-known/cycles-jwks.json",
        "//v1/decide",
    ],
)
async def test_nothing_else_is_served(rig: Rig, path: str) -> None:
    came = await rig.ask("GET", path)
    assert (came.status, came.code) == (404, "NOT_FOUND")


async def test_an_id_is_read_as_it_was_meant(rig: Rig) -> None:
    held = await rig.held()
    assert (await rig.get("/v1/reservations/" + held.replace("_", "%5F"))).status == 200
    assert (await rig.get("/v1/reservations/" + "x" * 128)).status == 404
    assert (await rig.get("/v1/reservations/" + "x" * 129)).status == 400
    assert (await rig.get("/v1/reservations/%FF%00")).status == 404


NESTED = b'{"idempotency_key":"a","metadata":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
DEEP = VALID[:-1] + b',"metadata":{"a":' + b"[" * 80 + b"]" * 80 + b"}}"

BODIES: dict[str, bytes] = {
    "nothing": b"",
    "a list": b"[]",
    "null": b"null",
    "a string": b'"x"',
    "cut off": VALID[:-1],
    "two values": VALID + b"{}",
    "invalid UTF-8": VALID.replace(b"gpt-4o", b"\xff"),
    "a lone surrogate": VALID.replace(b"gpt-4o", b"\\ud800"),
    "NaN": VALID.replace(b'"amount": 1', b'"amount": NaN'),
    "infinity": VALID.replace(b'"amount": 1', b'"amount": Infinity'),
    "a fraction": VALID.replace(b'"amount": 1', b'"amount": 1.5'),
    "a number written as a float": VALID.replace(b'"amount": 1', b'"amount": 1.0'),
    "beyond int64": VALID.replace(b'"amount": 1', b'"amount": 9223372036854775808'),
    "thousands of digits": VALID.replace(b'"amount": 1', b'"amount": ' + b"9" * 5_000),
    "below zero": VALID.replace(b'"amount": 1', b'"amount": -1'),
    "true for a number": VALID.replace(b'"amount": 1', b'"amount": true'),
    "text for a number": VALID.replace(b'"amount": 1', b'"amount": "1"'),
    "null for a field": VALID[:-1] + b',"ttl_ms":null}',
    "a key twice": VALID[:-1] + b',"ttl_ms":2000,"ttl_ms":3000}',
    "a key twice further in": VALID.replace(b'"tenant": "dev"', b'"tenant":"dev","tenant":"dev"'),
    "a key twice in metadata": VALID[:-1] + b',"metadata":{"a":1,"a":1}}',
    "deep nesting": DEEP,
    "100,000 levels": NESTED,
    "an empty key": VALID[:-1] + b',"idempotency_key":""}',
    "a huge number in metadata": VALID[:-1] + b',"metadata":{"a":1e400}}',
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_that_is_no_request_is_refused(rig: Rig, name: str) -> None:
    """§10.3, semantics "Bad input": 400 in the protocol's shape, and nothing is held."""
    came = await rig.post("/v1/reservations", BODIES[name])
    assert (came.status, came.code) == (400, "INVALID_REQUEST")
    assert await rig.remaining() == 1_000


async def test_the_content_type_is_not_looked_at(rig: Rig) -> None:
    came = await rig.post("/v1/reservations", VALID, headers={"Content-Type": "text/plain"})
    assert came.status == 200


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (Reason.REQUEST_TOO_LARGE, 413),
        (Reason.REQUEST_TIMEOUT, 408),
        (Reason.INVALID_REQUEST, 400),
    ],
)
async def test_a_body_that_does_not_arrive_is_an_error_of_the_protocol(
    rig: Rig, reason: Reason, status: int
) -> None:
    class Broken(Sent):
        async def body(self) -> bytes:
            raise Refused(reason, "No.")

    headers = {"Host": "localhost", "X-Cycles-API-Key": DEV}
    came = await rig.send(Broken("POST", "/v1/reservations", headers=headers))
    assert (came.status, came.code) == (status, "INVALID_REQUEST")


async def test_what_is_no_request_at_all_is_answered_alike(rig: Rig) -> None:
    reply: Reply = rig.plane.refuse_unreadable()
    body = json.loads(reply.body)
    assert (reply.status, body["error"]) == (400, "INVALID_REQUEST")
    assert body["trace_id"] == reply.headers["X-Cycles-Trace-Id"]


PARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
FLAT = "a" * 32
ZERO = "0" * 32


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"traceparent": PARENT}, TRACE_ID),
        ({"X-Cycles-Trace-Id": FLAT}, FLAT),
        ({"traceparent": PARENT, "X-Cycles-Trace-Id": FLAT}, TRACE_ID),
        ({"traceparent": "nonsense", "X-Cycles-Trace-Id": FLAT}, FLAT),
        ({"traceparent": PARENT.replace("00-", "ff-", 1), "X-Cycles-Trace-Id": FLAT}, FLAT),
        ({"traceparent": PARENT.replace(TRACE_ID, ZERO), "X-Cycles-Trace-Id": FLAT}, FLAT),
        ({"traceparent": PARENT.replace("00f067aa0ba902b7", "0" * 16)}, None),
        ({"X-Cycles-Trace-Id": FLAT.upper()}, None),
        ({"X-Cycles-Trace-Id": ZERO}, None),
        ({}, None),
    ],
)
async def test_a_trace_goes_through(
    rig: Rig, headers: dict[str, str], expected: str | None
) -> None:
    """[spec] "CORRELATION AND TRACING": precedence; malformed headers are as if not there."""
    came = await rig.reserve(headers=headers)
    trace_id = came.headers["X-Cycles-Trace-Id"]
    assert came.status == 200
    assert trace_id == expected if expected else trace_id not in (FLAT, TRACE_ID, ZERO)
    row = await rig.ledger.reservation(came["reservation_id"])
    assert row.trace_id == trace_id
    entries = await rig.ledger.journal("dev", after_seq=0, limit=10)
    assert entries[-1].trace_id == trace_id
    assert rig.log.written[-1]["trace_id"] == trace_id


async def test_errors_carry_the_trace_as_well(rig: Rig) -> None:
    """[spec] "CORRELATION AND TRACING": on 4xx too, in the body and in the header."""
    came = await rig.reserve(10**6, headers={"traceparent": PARENT})
    assert came["trace_id"] == TRACE_ID


async def test_a_request_is_one_line(rig: Rig) -> None:
    came = await rig.reserve(metadata={"prompt": "hush"})
    await rig.commit(came["reservation_id"], 10**6, metadata={"answer": "hush"})
    lines = [line for line in rig.log.written if line["event"] == "authority_request"]
    assert [line["operation"] for line in lines] == ["createReservation", "commitReservation"]
    assert lines[1]["reservation_id"] == came["reservation_id"]
    assert lines[0]["request_id"] == came.headers["X-Request-Id"]
    assert "hush" not in str(lines)


async def test_a_request_is_counted_by_what_came_of_it(rig: Rig) -> None:
    metrics = Metrics()
    rig.plane = plane_over(rig.ledger, clock=rig.clock, log=rig.log, metrics=metrics)
    for amount in (1, 1, 10**6):
        await rig.reserve(amount)
    await rig.get("/nothing")
    text = metrics.exposition().decode()
    counted = re.findall(r"spendgate_authority_seconds_count(\S+) (\S+)", text)
    assert counted == [
        ('{operation="createReservation",status="200"}', "2.0"),
        ('{operation="createReservation",status="409"}', "1.0"),
    ]


async def test_where_the_ledger_is_elsewhere_no_operation_is_served(rig: Rig) -> None:
    rig.plane = plane_over(rig.ledger, clock=rig.clock, log=rig.log, closed="Ask there.")
    came = await rig.reserve()
    assert (came.status, came.code, came["message"]) == (404, "NOT_FOUND", "Ask there.")
    assert (await rig.get("/healthz")).status == 200


def _policy(caps: Caps, *, used_pct: int = 0) -> Policy:
    return Policy("thrift", parse_pattern("tenant:dev/*", subtree=True), 1, (Band(used_pct, caps),))


CAPS = Caps(max_tokens=500, tool_denylist=("web_search",))
SAID: dict[str, Any] = {"max_tokens": 500, "tool_denylist": ["web_search"]}


async def test_policies_cap_reservations_as_they_do_calls(tmp_path: Path) -> None:
    """[spec] §2: caps exactly with ALLOW_WITH_CAPS, in every kind of answer."""
    async with running(tmp_path, policies=[_policy(CAPS, used_pct=50)]) as rig:
        early = await rig.reserve(1)
        assert (early["decision"], "caps" in early) == ("ALLOW", False)
        await rig.event(500)
        for came in (await rig.reserve(1), await rig.reserve(1, dry_run=True), await rig.decide(1)):
            assert (came["decision"], came["caps"]) == ("ALLOW_WITH_CAPS", SAID)
        denied = await rig.decide(10**6)
        assert (denied["decision"], "caps" in denied) == ("DENY", False)


async def test_steps_and_pace_are_told_to_those_who_keep_to_them(tmp_path: Path) -> None:
    """The authority does not see what a client does between two reservations."""
    caps = Caps(max_steps_remaining=3, cooldown_ms=500)
    async with running(tmp_path, policies=[_policy(caps)]) as rig:
        for came in (await rig.reserve(1), await rig.reserve(1), await rig.decide(1)):
            assert came["decision"] == "ALLOW_WITH_CAPS"
            assert came["caps"] == {"max_steps_remaining": 3, "cooldown_ms": 500}


async def test_a_policy_that_denies_is_no_advice(tmp_path: Path) -> None:
    shut = Policy("shut", parse_pattern("*", subtree=True), 1, (Band(0, deny=""),))
    async with running(tmp_path, policies=[shut]) as rig:
        for came in (await rig.decide(1), await rig.reserve(1, dry_run=True)):
            assert (came["decision"], came["reason_code"]) == ("DENY", "POLICY_DENIED")
        refused = await rig.reserve(1)
        assert (refused.status, refused.code) == (403, "FORBIDDEN")
        assert refused["message"] == "The policy shut allows no calls at present. Do not retry."


async def test_the_unit_of_calls_is_none_of_the_protocol(rig: Rig) -> None:
    amount = {"unit": "CALLS", "amount": 1}
    came = await rig.reserve(1, estimate=amount)
    assert (came.status, came.code) == (400, "INVALID_REQUEST")
    assert document()["components"]["schemas"]["Unit"]["enum"] == sorted(WIRE_UNITS)
    assert len(WIRE_UNITS) == 4


async def test_a_replay_keeps_the_caps_of_then(tmp_path: Path) -> None:
    """[spec] §1.11, §2: the original caps."""
    async with running(tmp_path, policies=[_policy(CAPS, used_pct=50)]) as rig:
        before = await rig.reserve(1, idempotency_key="before")
        await rig.event(500)
        capped = await rig.reserve(1, idempotency_key="after")
        rig.plane._desk.policies._ranked = ()
        assert (await rig.reserve(1, idempotency_key="before")).body == before.body
        assert (await rig.reserve(1, idempotency_key="after")).body == capped.body


async def test_a_policy_that_only_maps_models_caps_nothing(tmp_path: Path) -> None:
    """The protocol has no word for a model: docs/protocol.md, "Caps"."""
    pattern = parse_pattern("tenant:dev", subtree=True)
    mapping = Policy("swap", pattern, 1, (Band(0, Caps(), {"gpt-4o": "gpt-4o-mini"}),))
    async with running(tmp_path, policies=[mapping]) as rig:
        assert (await rig.reserve(1))["decision"] == "ALLOW"
