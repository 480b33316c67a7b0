"""When a call that failed is sent once more, where, and how long after. Rules without I/O.

Only what failed before a byte of its answer went to the caller is sent again: without a
connection, or with a whole error. Whether one without a status was billed nobody knows.
Source: docs/semantics.md, "Retries and replays"; field-report 68, 80.
"""

from collections.abc import Mapping
from datetime import UTC
from decimal import Decimal
from email.utils import parsedate_to_datetime
from math import ceil
from typing import Final

import msgspec

from proxy.gateway.ending import Ending, Outcome

RETRIED_STATUSES: Final = (429, 500, 502, 503, 504, 529)
"""Limits of rate, and failures that pass. 529 is what Anthropic says when it is overloaded:
https://platform.claude.com/docs/en/api/errors"""

_LONGEST_WAIT_MS: Final = 10**12
"""Whoever asks for more than thirty years means for ever."""


class RetryRules(msgspec.Struct, frozen=True):
    """When an upstream is sent a call again. `max_attempts` counts the first one too.

    `statuses` are of whole errors, `after_no_status`: also where none came. The pause before
    the second attempt is about `backoff_ms` and doubles from one to the next; no pause is
    longer than `max_wait_ms`.
    """

    max_attempts: int = 1
    statuses: frozenset[int] = frozenset(RETRIED_STATUSES)
    after_no_status: bool = False
    backoff_ms: int = 500
    max_wait_ms: int = 10_000


def may_repeat(ending: Ending, rules: RetryRules, *, has_key: bool) -> bool:
    """Whether a call whose attempt ended so may be sent once more, there or elsewhere.

    `has_key`: its caller relies on it being made once, so only what cost nothing is repeated.
    """
    match ending.outcome:
        case Outcome.NOT_SENT:
            return True
        case Outcome.NO_STATUS:
            return rules.after_no_status and not has_key
        case Outcome.REFUSED | Outcome.FAILED:
            return ending.status in rules.statuses
        case _:
            return False


def pause_ms(
    headers: Mapping[str, str], rules: RetryRules, *, made: int, now_ms: int, jitter: float
) -> int | None:
    """How long the upstream is left alone after so many attempts; None: for too long to wait.

    Its own word goes before ours. `jitter` is from 0 to 1: a crowd that failed together must
    not come back together.
    """
    if headers.get("x-should-retry", "").strip().lower() == "false":
        return None
    asked_ms = _asked_ms(headers, now_ms)
    if asked_ms is not None:
        return asked_ms if asked_ms <= rules.max_wait_ms else None
    whole_ms = min(rules.backoff_ms << (made - 1), rules.max_wait_ms)
    return whole_ms - round(whole_ms * jitter / 2)


def _asked_ms(headers: Mapping[str, str], now_ms: int) -> int | None:
    """How long the upstream asks to be left alone; None where it does not say, or cannot be read.

    Source: RFC 9110, section 10.2.3; `retry-after-ms` is what OpenAI's SDKs read first.
    """
    for name, unit_ms in (("retry-after-ms", 1), ("retry-after", 1_000)):
        text = headers.get(name, "").strip()
        if text.replace(".", "", 1).isdecimal() and text.isascii():
            return min(ceil(Decimal(text) * unit_ms), _LONGEST_WAIT_MS)
    return _until_ms(headers.get("retry-after", ""), now_ms)


def _until_ms(date: str, now_ms: int) -> int | None:
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0, int(moment.timestamp()) * 1_000 - now_ms)
