"""First answers to questions that changed nothing, by the tenant's key.

A tenant's holds, events and questions share their keys: each key is of one of them.
"""

from typing import Final

from proxy.domain.errors import IdempotencyMismatch
from proxy.ledger.sqlite import holds
from proxy.ledger.sqlite.transaction import Transaction

_SELECT: Final = "SELECT payload_hash, answer FROM remembered WHERE tenant = ? AND key = ?"
_KEEP: Final = "INSERT INTO remembered VALUES (?, ?, ?, ?, ?)"
_LET_GO: Final = (
    "DELETE FROM remembered WHERE (tenant, key) IN"
    " (SELECT tenant, key FROM remembered WHERE until_ms < ? ORDER BY until_ms LIMIT ?)"
)


def check_key(transaction: Transaction, tenant: str, key: str) -> None:
    """No question has this key.

    Raises:
        IdempotencyMismatch
    """
    if not transaction.seldom.has_remembered:
        return
    if transaction.read(_SELECT, (tenant, key)).fetchone() is not None:
        raise IdempotencyMismatch("the key is that of a question that was answered")


def recall(transaction: Transaction, tenant: str, key: str, payload_hash: str) -> str | None:
    """The first answer to this key, if it was of a question.

    Raises:
        IdempotencyMismatch: it was of another payload, of a hold or of an event.
    """
    found = transaction.read(_SELECT, (tenant, key)).fetchone()
    if found is None:
        if holds.find_by_key(transaction, tenant, key) is not None:
            raise IdempotencyMismatch("the key is that of a hold or an event")
        return None
    first_payload_hash, answer = found
    if first_payload_hash != payload_hash:
        raise IdempotencyMismatch("the key of a question came with another payload")
    return str(answer)


def remember(
    transaction: Transaction,
    tenant: str,
    key: str,
    payload_hash: str,
    answer: str,
    *,
    keep_ms: int,
) -> str:
    """Keep this answer, unless there is one.

    Raises:
        IdempotencyMismatch: as in `recall`.
    """
    first = recall(transaction, tenant, key, payload_hash)
    if first is not None:
        return first
    until_ms = transaction.now_ms + keep_ms
    transaction.execute(_KEEP, (tenant, key, payload_hash, answer, until_ms))
    transaction.seldom.look_again()
    return answer


def let_go(transaction: Transaction, limit: int) -> None:
    """Forget answers whose time is over, the oldest first."""
    if transaction.seldom.has_remembered:
        transaction.execute(_LET_GO, (transaction.now_ms, limit))
