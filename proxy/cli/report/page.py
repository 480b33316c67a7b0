"""The report card as a page with plots, whole in one file: it opens without a network."""

from collections import Counter
from html import escape
from typing import Final

from proxy.cli.report.card import PERMILLE, Grades, Kind
from proxy.cli.report.show import Card, alert, as_percent, in_order, times

BUCKET_PERMILLE: Final = 50
_BUCKETS: Final = 24
"""Up to 120% of the hold; the last one has all that is more."""

_BAR_WIDTH: Final = 20
_PLOT_HEIGHT: Final = 120
_LABEL_HEIGHT: Final = 18

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
h2 { font-size: 1rem; margin: 2rem 0 0 }
p { margin: 0.2rem 0 }
svg { max-width: 100% }
rect { fill: #4878a8 } rect.over { fill: #c0392b } line { stroke: #888 }
text { font: 11px system-ui, sans-serif; fill: #666 }
.alert { color: #c0392b }
@media (prefers-color-scheme: dark) { body { background: #1c1c1e; color: #ddd } }
"""


def page_of(card: Card, *, made_at: str) -> str:
    """The whole document. Names of models come from callers: nothing of them is markup."""
    parts = [_section(kind, grades) for kind, grades in in_order(card)]
    body = "\n".join(parts) or "<p>No call has been charged in this time.</p>"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Estimates</title><style>{_STYLE}</style></head><body>\n<h1>Estimates</h1>\n"
        "<p>What calls came to, as a part of what was held for them. Bars to the right of the "
        f"line came to more than their hold. Made {escape(made_at)}.</p>\n{body}\n"
        "</body></html>\n"
    )


def _section(kind: Kind, grades: Grades) -> str:
    title = f"{kind.model} at {kind.api}: {kind.bound} bound, {kind.hold} hold"
    facts = (
        f"{grades.calls:,} calls, {grades.estimated:,} more were estimated; the bound held for "
        f"{as_percent(grades.covered_permille)}; half came to at most "
        f"{as_percent(grades.ratio_permille(50))} of the hold; held for each dollar of cost: "
        f"{times(grades.held_per_actual_permille)}"
    )
    warning = f'<p class="alert">{escape(alert(kind, grades))}</p>' if grades.broken else ""
    plot = plot_of(grades.permille) if grades.calls else ""
    return f"<h2>{escape(title)}</h2>\n<p>{escape(facts)}</p>{warning}\n{plot}"


def plot_of(permille: Counter[int]) -> str:
    """A histogram: how many calls came to which part of their hold. Exactly the hold is left
    of the line."""
    counts = [0] * _BUCKETS
    for ratio, calls in permille.items():
        bucket = max(ratio - 1, 0) // BUCKET_PERMILLE
        counts[min(bucket, _BUCKETS - 1)] += calls
    highest = max(counts)
    edge = PERMILLE // BUCKET_PERMILLE
    bars = [
        f"<rect{' class=' + chr(34) + 'over' + chr(34) if place >= edge else ''} "
        f'x="{place * _BAR_WIDTH + 1}" y="{_PLOT_HEIGHT - height}" '
        f'width="{_BAR_WIDTH - 2}" height="{height}"><title>{calls:,} calls</title></rect>'
        for place, calls in enumerate(counts)
        if (height := -(-_PLOT_HEIGHT * calls // highest))
    ]
    labels = [
        f'<text x="{place * _BAR_WIDTH}" y="{_PLOT_HEIGHT + _LABEL_HEIGHT - 4}">'
        f"{place * BUCKET_PERMILLE // 10}%</text>"
        for place in range(0, _BUCKETS, 4)
    ]
    line = edge * _BAR_WIDTH
    return (
        f'<svg width="{_BUCKETS * _BAR_WIDTH}" height="{_PLOT_HEIGHT + _LABEL_HEIGHT}" role="img" '
        'aria-label="calls by the part of the hold that they came to">'
        f"{''.join(bars)}"
        f'<line x1="{line}" y1="0" x2="{line}" y2="{_PLOT_HEIGHT}"/>{"".join(labels)}</svg>'
    )
