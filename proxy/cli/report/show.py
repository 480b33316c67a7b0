"""The report card as a table, and as an object for programs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from proxy.cli.output import counted, new_table
from proxy.cli.report.card import PERMILLE, Grades, Kind

if TYPE_CHECKING:
    from rich.console import Console

Card = Mapping[Kind, Grades]


def as_percent(permille: int) -> str:
    """`97.5%`."""
    return f"{permille // 10}.{permille % 10}%"


def in_order(card: Card) -> list[tuple[Kind, Grades]]:
    """What broke first, then what is called most."""
    return sorted(card.items(), key=lambda each: (-each[1].broken, -each[1].calls, each[0]))


def show_card(console: "Console", card: Card) -> None:
    """One line a kind of call, and what is wrong."""
    if not card:
        console.print("No call has been charged in this time.")
        return
    table = new_table(
        "model",
        "api",
        "bound",
        "hold",
        ">calls",
        ">estimated",
        ">bound held",
        ">p50",
        ">p95",
        ">most",
        ">held / actual",
    )
    for kind, grades in in_order(card):
        most = as_percent(grades.ratio_permille(100))
        table.add_row(
            *kind,
            f"{grades.calls:,}",
            f"{grades.estimated:,}",
            as_percent(grades.covered_permille),
            as_percent(grades.ratio_permille(50)),
            as_percent(grades.ratio_permille(95)),
            f"[red]{most}[/red]" if grades.broken else most,
            times(grades.held_per_actual_permille),
        )
    console.print(table)
    console.print("p50, p95 and most: what calls came to, as a part of their holds.", style="dim")
    for kind, grades in in_order(card):
        if grades.broken:
            console.print(f"[red]![/red] {alert(kind, grades)}")


def times(permille: int | None) -> str:
    """`3.2 x`; a dash where nothing was paid."""
    return "-" if permille is None else f"{permille // PERMILLE}.{permille % PERMILLE // 100} x"


def alert(kind: Kind, grades: Grades) -> str:
    """What to do about a bound that is none."""
    calls = counted(grades.broken, "call")
    if kind.hold == "learned":
        return (
            f"{kind.model} at {kind.api}: {calls} came to more than the hold, which grows with the "
            "answer: raise learning.lookahead_tokens"
        )
    return (
        f"{kind.model} at {kind.api}: {calls} came to more than the hold, so the {kind.bound} "
        "bound is none: check `spendgate price` against the provider's bill, and "
        "upstreams[].price_multiplier and service_tier"
    )


def card_object(card: Card) -> list[dict[str, Any]]:
    """The same for programs. Ratios are thousandths, amounts microcents."""
    return [
        {
            **kind._asdict(),
            "calls": grades.calls,
            "estimated": grades.estimated,
            "broken": grades.broken,
            "covered_permille": grades.covered_permille,
            "ratio_permille": {
                f"p{pct}": grades.ratio_permille(pct) for pct in (10, 50, 90, 95, 99, 100)
            },
            "held_microcents": grades.held,
            "actual_microcents": grades.actual,
        }
        for kind, grades in in_order(card)
    ]
