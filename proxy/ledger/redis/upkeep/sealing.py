"""Closes runs of the journal, and reads what was closed.

Entries never change, so a seal is made beside the calls, page by page; only one process gets
to keep it.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from proxy.ledger.checkpoint import Checkpoint, write_checkpoint
from proxy.ledger.journal import Entry
from proxy.ledger.redis.asking import Asker
from proxy.ledger.redis.reading import journal
from proxy.ledger.seal import RUN_ENTRIES, Seal, close, is_checkpoint_due, standing_after

_SEALS_A_PAGE: Final = 500

_encode: Final = msgspec.json.Encoder().encode
_decode_seal: Final = msgspec.json.Decoder(Seal).decode


_decode_checkpoint: Final = msgspec.json.Decoder(Checkpoint).decode


class Sealed(NamedTuple):
    """What is closed of a journal, and which entries there are.

    `latest` and `pruned`: the last checkpoint, and that up to which entries went.
    """

    last: Seal | None
    latest: Checkpoint | None
    pruned: Checkpoint | None
    first_seq: int | None
    last_seq: int

    @property
    def pruned_seq(self) -> int:
        """The last entry that may have gone."""
        return self.pruned.seq if self.pruned is not None else 0


async def read(asker: Asker, tenant: str) -> Sealed:
    """As it is now."""
    body = await asker.ask("sealed", tenant, {})
    latest, pruned, last = body.get("latest"), body.get("pruned"), body.get("last")
    return Sealed(
        last=_decode_seal(last) if last is not None else None,
        latest=_decode_checkpoint(latest) if latest is not None else None,
        pruned=_decode_checkpoint(pruned) if pruned is not None else None,
        first_seq=body.get("first_seq"),
        last_seq=body["last_seq"],
    )


async def seals(asker: Asker, tenant: str, *, after_seq: int = 0) -> AsyncIterator[Seal]:
    """A tenant's seals that end after this entry, oldest first, without their windows."""
    while True:
        request = {"after": after_seq, "page": _SEALS_A_PAGE}
        found = (await asker.ask("sealed", tenant, request))["seals"]
        for text in found:
            seal = _decode_seal(text)
            yield seal
            after_seq = seal.last_seq
        if len(found) < _SEALS_A_PAGE:
            return


async def seals_and_windows(asker: Asker, tenant: str, sealed: Sealed) -> list[Seal]:
    """All of them, with the windows that are kept.

    Raises:
        ValueError: somebody has changed what is kept of the windows.
    """
    kept = {place.seq: place for place in (sealed.pruned, sealed.latest) if place is not None}
    return [
        replace(seal, standing=kept[seal.last_seq].standing) if seal.last_seq in kept else seal
        async for seal in seals(asker, tenant)
    ]


async def seal(asker: Asker, tenants: Sequence[str], *, before_ms: int, limit: int) -> int:
    """Close at most so many runs: those that are full, and what is from before this time.

    A journal that is damaged is not sealed: `verify` says what is wrong with it.
    """
    count = 0
    for tenant in tenants:
        try:
            while count < limit and await _seal_next(asker, tenant, before_ms):
                count += 1
        except ValueError:
            continue
    return count


async def _seal_next(asker: Asker, tenant: str, before_ms: int) -> bool:
    sealed = await read(asker, tenant)
    run = await _next_run(asker, tenant, sealed, before_ms)
    if not run:
        return False
    made = await _close(asker, tenant, sealed, run)
    checkpoint = write_checkpoint(made, made.standing) if made.standing is not None else None
    request: dict[str, Any] = {
        "first_seq": made.first_seq,
        "last_seq": made.last_seq,
        "seal": _encode(replace(made, standing=None)).decode(),
    }
    if checkpoint is not None:
        request["checkpoint"] = written(checkpoint)
    kept = await asker.ask("seal", tenant, request)
    return bool(kept["went"])


async def _close(asker: Asker, tenant: str, sealed: Sealed, run: list[Entry]) -> Seal:
    latest = sealed.latest
    since, windows = (latest.seq, latest.windows) if latest is not None else (0, 0)
    standing = None
    if is_checkpoint_due(entries=run[-1].seq - since, windows=windows):
        entries = await journal.entries(asker, tenant, after_seq=since, limit=run[-1].seq - since)
        standing = standing_after(latest.standing if latest is not None else {}, entries)
    return close(sealed.last, run, standing)


async def _next_run(asker: Asker, tenant: str, sealed: Sealed, before_ms: int) -> list[Entry]:
    """The entries after the last seal that can be closed; none if it is too early."""
    after_seq = sealed.last.last_seq if sealed.last is not None else 0
    is_full = sealed.last_seq - after_seq >= RUN_ENTRIES
    limit = RUN_ENTRIES if is_full else 1
    run = await journal.entries(asker, tenant, after_seq=after_seq, limit=limit)
    if is_full or not run or run[0].at_ms >= before_ms:
        return list(run) if is_full else []
    run = await journal.entries(asker, tenant, after_seq=after_seq, limit=RUN_ENTRIES)
    return [entry for entry in run if entry.at_ms < before_ms]


def written(checkpoint: Checkpoint) -> str:
    """A checkpoint as the store keeps it."""
    return _encode(checkpoint).decode()
