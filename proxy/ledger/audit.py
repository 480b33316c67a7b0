"""What `verify` answers."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from proxy.domain.period import iso
from proxy.domain.sub_budget import CARVE_PREFIX
from proxy.ledger.journal import Amounts, WindowName


def is_summed(key: str) -> bool:
    """Whether what the row with this key was charged counts in the sums of an audit.

    What fills a sub-budget does not: the calls of its child have rows of their own.
    """
    return not key.startswith(CARVE_PREFIX)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something `verify` found: two figures that should be one."""

    where: str
    what: str
    recorded: int | str
    recomputed: int | str


def compare_window(
    name: WindowName, source: str, *figures: tuple[str, int, int]
) -> Iterator[Difference]:
    """Where figures of a window, each with what `source` says it is, are not the same."""
    for what, recorded, recomputed in figures:
        if recorded != recomputed:
            where = f"{name.scope} {name.unit} {name.period} from {iso(name.start_ms)}"
            yield Difference(where, f"{what}, by the {source}", recorded, recomputed)


def compare_with_journal(
    name: WindowName, recorded: Amounts, standing: Amounts
) -> Iterator[Difference]:
    """A retired budget and the one after it may share a name; the journal knows them by it."""
    figures = zip(Amounts._fields, recorded, standing, strict=True)
    yield from compare_window(name, "journal", *figures)


class Head(NamedTuple):
    """The last seal of a tenant's journal: keep it elsewhere, and no older entry can change."""

    tenant: str
    seq: int
    digest: str

    def __str__(self) -> str:
        """`TENANT:SEQ:DIGEST`, as people keep it."""
        return f"{self.tenant}:{self.seq}:{self.digest}"


def read_head(text: str) -> Head:
    """A head as it was kept.

    Raises:
        ValueError: it is none.
    """
    tenant, _, rest = text.partition(":")
    seq, _, digest = rest.partition(":")
    if not re.fullmatch(r"[1-9][0-9]{0,18}:[0-9a-f]{64}", rest):
        raise ValueError(f"{text!r} is not TENANT:ENTRY:DIGEST")
    return Head(tenant, int(seq), digest)


@dataclass(frozen=True, slots=True)
class Audit:
    """What `verify` recomputed. The ledger is sound when `differences` is empty.

    charged, uncovered and uncertain are sums in USD_MICROCENTS over all rows that `is_summed`.
    """

    reservations: int
    entries: int
    charged: int
    uncovered: int
    uncertain: int
    differences: tuple[Difference, ...]
    heads: tuple[Head, ...] = ()
