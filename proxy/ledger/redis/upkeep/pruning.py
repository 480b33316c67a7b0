"""Lets go of what nobody needs any more: rows, first answers to operators, entries, windows.

One kind of thing at a time, in the order in which they refer to one another: a window only
goes when no row and no entry names it. So each batch leaves a sound ledger.
"""

from collections.abc import Sequence
from typing import Any

from proxy.ledger.checkpoint import Checkpoint, write_checkpoint
from proxy.ledger.redis.asking import Asker
from proxy.ledger.redis.reading import journal
from proxy.ledger.redis.upkeep import sealing
from proxy.ledger.redis.upkeep.sealing import Sealed
from proxy.ledger.seal import Seal, check_entries, check_standing, standing_after


async def prune(asker: Asker, tenants: Sequence[str], *, before_ms: int, limit: int) -> int:
    """Let go of at most so many things of one kind and tenant; how many went."""
    for tenant in tenants:
        went = (
            await _let_go(asker, tenant, "prune_rows", before_ms, limit)
            or await _let_go(asker, tenant, "prune_answers", before_ms, limit)
            or await _prune_entries(asker, tenant, before_ms, limit)
            or await _let_go(asker, tenant, "prune_windows", before_ms, limit)
            or await _drop_windows(asker, tenant, limit)
        )
        if went:
            return went
    return 0


async def _let_go(asker: Asker, tenant: str, script: str, before_ms: int, limit: int) -> int:
    """Run after run, past what has to stay, until something went or there is no more."""
    skip = 0
    while True:
        request = {"before_ms": before_ms, "limit": limit, "skip": skip}
        answer = await asker.ask(script, tenant, request)
        if answer["went"] or answer["is_done"]:
            went: int = answer["went"]
            return went
        skip += answer["stayed"]


async def _drop_windows(asker: Asker, tenant: str, limit: int) -> int:
    """The records of windows that were forgotten before the entries that went."""
    sealed = await sealing.read(asker, tenant)
    if sealed.pruned is None:
        return 0
    request = {
        "before_ms": sealed.pruned.at_ms,
        "limit": limit,
        "skip": 0,
        "is_forgotten": True,
    }
    went: int = (await asker.ask("prune_windows", tenant, request))["went"]
    return went


async def _prune_entries(asker: Asker, tenant: str, before_ms: int, limit: int) -> int:
    sealed = await sealing.read(asker, tenant)
    if sealed.first_seq is None:
        return 0
    checkpoint = None
    if sealed.first_seq > sealed.pruned_seq:
        checkpoint = await _next_checkpoint(asker, tenant, sealed, before_ms)
        if checkpoint is None:
            return 0
    end_seq = checkpoint.seq if checkpoint is not None else sealed.pruned_seq
    request: dict[str, Any] = {
        "first_seq": sealed.first_seq,
        "last_seq": min(sealed.first_seq + limit - 1, end_seq),
    }
    if checkpoint is not None:
        request["checkpoint"] = sealing.written(checkpoint)
    went: int = (await asker.ask("prune_entries", tenant, request))["went"]
    return went


async def _next_checkpoint(
    asker: Asker, tenant: str, sealed: Sealed, before_ms: int
) -> Checkpoint | None:
    """The first one after the entries that went already.

    The last run stays. And so does all that is not as it was sealed, for `verify` to tell.
    """
    passed: list[Seal] = []
    async for seal in sealing.seals(asker, tenant, after_seq=sealed.pruned_seq):
        if passed and passed[-1].is_checkpoint:
            return await _stand_at(asker, tenant, sealed, passed)
        if seal.at_ms >= before_ms:
            return None
        passed.append(seal)
    return None


async def _stand_at(
    asker: Asker, tenant: str, sealed: Sealed, passed: Sequence[Seal]
) -> Checkpoint | None:
    """What windows held at the last of these seals; None where an entry was changed since."""
    try:
        standing = dict(sealed.pruned.standing) if sealed.pruned is not None else {}
        for seal in passed:
            after_seq = seal.first_seq - 1
            entries = await journal.entries(
                asker, tenant, after_seq=after_seq, limit=seal.last_seq - after_seq
            )
            if any(check_entries(seal, entries)):
                return None
            standing = standing_after(standing, entries)
    except ValueError:
        return None
    if any(check_standing(passed[-1], standing)):
        return None
    return write_checkpoint(passed[-1], standing)
