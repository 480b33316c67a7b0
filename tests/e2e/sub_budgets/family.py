"""A parent at the authority and its children at the proxy, on sockets."""

import hashlib
import json
from typing import Any
from urllib.parse import urlsplit

from proxy.domain.scope import Scope
from tests.e2e.stack import Stack
from tests.e2e.wire import RawAnswer, answered, call, encode, exchange, read_answer, request_bytes

PATH = "/v1/x-spendgate/sub-budgets"
PARENT = "cyc_live_0123456789abcdef"
KEYS = [
    {
        "name": "parent",
        "sha256": hashlib.sha256(PARENT.encode()).hexdigest(),
        "subject": {"tenant": "dev"},
        "permissions": ["reservations:*", "balances:read", "sub_budgets:create"],
    }
]

# gpt-4o, "hi": 8 tokens in at $2.50, at most 1,000 out at $10 per million.
BODY: dict[str, Any] = {
    "model": "gpt-4o",
    "max_tokens": 1_000,
    "messages": [{"role": "user", "content": "hi"}],
}
HOLD = 8 * 250 + 1_000 * 1_000


async def authority(stack: Stack, method: str, path: str, body: object = None) -> Any:
    """What the authority answers the parent."""
    where = f"http://{stack.server.addresses['authority']}"
    data = b"" if body is None else encode(body)
    sent = request_bytes(data, f"X-Cycles-API-Key: {PARENT}", method=method, path=path)
    answer = read_answer(await exchange(where, sent))
    assert answer is not None
    assert urlsplit(where).port != urlsplit(stack.base_url).port
    assert answer.status < 300, answer.body
    return json.loads(answer.body)


async def carve(stack: Stack, amount: int, **more: object) -> Any:
    """A sub-budget of so many microcents."""
    body = {
        "idempotency_key": "carve",
        "amounts": [{"unit": "USD_MICROCENTS", "amount": amount}],
        "ttl_ms": 600_000,
    } | more
    return await authority(stack, "POST", PATH, body)


async def close(stack: Stack, sub_budget_id: str) -> Any:
    return await authority(stack, "POST", f"{PATH}/{sub_budget_id}/close")


async def ask(stack: Stack, key: str, body: object = BODY, *headers: str) -> RawAnswer:
    """One call with a child's key."""
    return await answered(stack.base_url, body, f"Authorization: Bearer {key}", *headers)


async def ask_or_leave(stack: Stack, key: str) -> RawAnswer | None:
    return await call(stack.base_url, BODY, f"Authorization: Bearer {key}")


def reason(answer: RawAnswer) -> tuple[int, str]:
    """How a call was refused."""
    return answer.status, answer.error()["budget"]["reason"]


async def stands(stack: Stack, scope: str = "tenant:dev") -> tuple[int, int]:
    """Reserved and spent."""
    balance = await stack.balance(Scope(scope))
    return balance.reserved, balance.spent
