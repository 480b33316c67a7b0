"""Whatever the published document lets a client send, in any order: every answer conforms.

A case is one request of a drawn life: what the schema accepts, what it nearly accepts, ids and
keys of before and others, with and without a key. Bad input is never answered with a 5xx, and
what the schema rejects never succeeds.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.authority.operations.table import OPERATIONS, Operation
from proxy.ledger.records import TenantStatus
from tests.authority.published import documented_statuses
from tests.authority.rig import DEV, OTHER, Came, Rig, Sent, running
from tests.cycles_wire import published
from tests.cycles_wire.drawing import accepted, nearly
from tests.ledger.builders import POINTS, line
from tests.ledger.harness import scratch

REQUESTS_A_LIFE = 20
LIVES = 50
"""1,000 cases."""

LIVES_OF_A_SOAK = 500

BUDGETS = (
    line("tenant:dev", 10_000, overdraft_limit=500),
    line("tenant:dev/agent:bot", 500),
    line("tenant:dev/workspace:*", 100, unit=POINTS),
    line("tenant:other", 1_000),
)

SERVED = [each for each in OPERATIONS if each.name != "introspectAuth"]
BLANK = {"", " "}

_KEYS = st.sampled_from(["a", "b", "c", "d", "e", "x" * 256])
_SUBJECTS = st.sampled_from(
    [
        {"tenant": "dev"},
        {"tenant": "dev", "agent": "bot"},
        {"agent": "Bot", "dimensions": {"run": "1"}},
        {"workspace": "w"},
        {"tenant": "dev", "toolset": "x@y"},
        {"tenant": "other"},
    ]
)
_AMOUNTS = st.fixed_dictionaries(
    {
        "unit": st.sampled_from(["USD_MICROCENTS"] * 6 + ["RISK_POINTS", "TOKENS"]),
        "amount": st.integers(0, 100) | st.integers(0, 20_000),
    }
)
_TEXTS = st.text(max_size=6) | st.sampled_from(["", "0", "1", "51", "201", "true", "dev", "bot"])
_MOMENTS = st.datetimes().map(lambda at: at.isoformat() + "Z") | _TEXTS


@dataclass
class Life:
    """What a life has made so far."""

    rig: Rig
    data: st.DataObject
    random: Random
    """Decides what usually happens; what is in a request is drawn."""
    ids: list[str] = field(default_factory=lambda: ["rsv_nothing"])
    cursors: list[str] = field(default_factory=lambda: ["bm8"])

    def _now_and_then(self, times_in_ten: int) -> bool:
        return self.random.randrange(10) < times_in_ten

    async def live(self) -> None:
        """Twenty requests, and what befalls the tenant between them."""
        self.ids += [await self.rig.held(50) for _ in range(3)]
        for _ in range(REQUESTS_A_LIFE):
            await self._befall()
            operation = self.random.choice(SERVED)
            body, is_valid = self._body(operation)
            came = await self.rig.send(self._request(operation, body))
            self._judge(operation, came, body, is_valid=is_valid)
            self._learn(came)

    async def _befall(self) -> None:
        if self._now_and_then(2):
            self.rig.clock.at_ms += self.random.choice([1, 1_000, 70_000])
        if self._now_and_then(1):
            await self.rig.ledger.expire(limit=10)
        if self._now_and_then(1):
            status = self.random.choice([*TenantStatus, *[TenantStatus.ACTIVE] * 3])
            await self.rig.ledger.set_tenant_status("dev", status, actor="ops")

    def _body(self, operation: Operation) -> tuple[bytes, bool]:
        """A body, and whether the published schema accepts it."""
        if operation.request is None:
            return b"", True
        name = operation.request.__name__
        kind = self.random.choice(["likely"] * 6 + ["any", "near", "near", "bad"])
        if kind == "bad":
            return self.data.draw(st.binary(max_size=40)), False
        schema = published.schema(name)
        body = self.data.draw(nearly(schema) if kind == "near" else accepted(schema))
        if kind == "likely":
            body = self._likely(body)
        return json.dumps(body).encode(), published.validator(name).is_valid(body)

    def _likely(self, body: dict[str, Any]) -> dict[str, Any]:
        """The same with values that others have had, and that budgets can pay."""
        usual = {
            "idempotency_key": _KEYS,
            "subject": _SUBJECTS,
            "estimate": _AMOUNTS,
            "actual": _AMOUNTS,
            "ttl_ms": st.sampled_from([1_000, 60_000]),
        }
        return {
            name: self.data.draw(usual[name]) if name in usual else value
            for name, value in body.items()
        }

    def _request(self, operation: Operation, body: bytes) -> Sent:
        draw = self.data.draw
        named = self.random.choice(self.ids)
        if self._now_and_then(1):
            named = draw(st.text(min_size=1, max_size=4))
        path = operation.path.replace("{reservation_id}", quote(named, safe=""))
        headers: dict[str, str] = {"Host": "localhost"}
        secret = self.random.choice([*[DEV] * 17, OTHER, "nobody", None])
        if secret is not None:
            headers["X-Cycles-API-Key"] = secret
        if self._now_and_then(1):
            headers["X-Idempotency-Key"] = draw(_KEYS)
        return Sent(operation.method, path, self._query(operation), headers, body)

    def _query(self, operation: Operation) -> str:
        if operation.request is not None or "{" in operation.path:
            return ""
        document = published.document()
        names = [
            each.get("name") or document["components"]["parameters"][_last(each)]["name"]
            for each in document["paths"][operation.path]["get"]["parameters"]
        ]
        chosen = self.random.sample(names, self.random.randrange(4))
        return urlencode({name: self.data.draw(self._value(name)) for name in chosen})

    def _value(self, name: str) -> st.SearchStrategy[str]:
        likely: Mapping[str, st.SearchStrategy[str]] = {
            "cursor": st.sampled_from(self.cursors),
            "limit": st.sampled_from(["1", "2", "200"]),
            "status": st.sampled_from(["ACTIVE", "COMMITTED", "EXPIRED"]),
            "sort_by": st.sampled_from(["reserved", "status", "expires_at_ms", "scope_path"]),
            "sort_dir": st.sampled_from(["asc", "desc"]),
            "tenant": st.just("dev"),
        }
        if name.endswith(("from", "to")):
            return _MOMENTS
        return likely.get(name, _TEXTS) if self._now_and_then(8) else _TEXTS

    def _judge(self, operation: Operation, came: Came, body: bytes, *, is_valid: bool) -> None:
        told = f"{operation.name} {body!r}: {came.status} {came.body}"
        assert came.status < 500, told
        assert came.status in documented_statuses(operation), told
        if not is_valid:
            assert came.status >= 400, told
        elif came.code == "INVALID_REQUEST" and operation.request is not None:
            assert self._may_be_refused(json.loads(body), came), told

    def _may_be_refused(self, body: dict[str, Any], came: Came) -> bool:
        """What the schema accepts and a rule beside it does not."""
        levels = {name: v for name, v in body.get("subject", {}).items() if name != "dimensions"}
        amounts = [body[name]["amount"] for name in ("estimate", "actual") if name in body]
        return (
            any(not value.strip() for value in levels.values())
            or any(amount > 2**62 for amount in amounts)
            or "X-Idempotency-Key" in came["message"]
        )

    def _learn(self, came: Came) -> None:
        if "reservation_id" in came:
            self.ids.append(came["reservation_id"])
        if "event_id" in came:
            self.ids.append(came["event_id"])
        if "next_cursor" in came:
            self.cursors.append(came["next_cursor"])


def _last(reference: Mapping[str, str]) -> str:
    return reference["$ref"].rsplit("/", 1)[1]


def _live(data: st.DataObject) -> None:
    async def life() -> None:
        with scratch() as folder:
            async with running(folder, budgets=BUDGETS) as rig:
                random = Random(data.draw(st.integers(0, 2**32), label="seed"))
                await Life(rig, data, random).live()
                audit = await rig.ledger.verify()
                assert audit.differences == ()

    asyncio.run(life())


@published.needs_document
@settings(max_examples=LIVES, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_every_answer_conforms(data: st.DataObject) -> None:
    """[spec] every schema of the operations served."""
    _live(data)


@pytest.mark.soak
@published.needs_document
@settings(max_examples=LIVES_OF_A_SOAK, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_every_answer_of_a_long_run_conforms(data: st.DataObject) -> None:
    """The same, 10,000 times."""
    _live(data)
