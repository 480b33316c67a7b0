"""What is still known of a call, as tables for people and as one object for programs."""

from typing import Final

from proxy.cli.books.naming import period_name
from proxy.cli.books.tables import amounts
from proxy.cli.explain.past import PastHold
from proxy.cli.output import new_table, open_console
from proxy.domain.money import written
from proxy.domain.period import iso

FORGOTTEN: Final = (
    "the body: it is never kept, so the rungs that were not granted cannot be priced again",
    "the policies that did not decide, and what was in force then beside the one that did",
    "balances of budgets in which nothing was held",
)
"""What cannot be known any more of a call that left."""


def show_past(holds: tuple[PastHold, ...]) -> None:
    """Each attempt: what it held and cost, and what its budgets had before."""
    console = open_console()
    for number, hold in enumerate(holds, start=1):
        table = new_table("what", "value", title=f"\nAttempt {number} of {len(holds)}")
        table.show_header = False
        for what, value in facts(hold).items():
            table.add_row(what.replace("_", " "), value)
        console.print(table)
        _show_budgets(hold)
    console.print("\nNot known any more:")
    for what in FORGOTTEN:
        console.print(f"  {what}")


def facts(hold: PastHold) -> dict[str, str]:
    """What the row says, in the order in which it came about."""
    row = hold.row
    told = {
        "id": row.reservation_id,
        "made_at": iso(row.created_at_ms),
        "scope": str(row.scope_path),
        "policy": row.metadata.get("policy", ""),
        "asked_for": row.action_name,
        "bound": row.metadata.get("bound", ""),
        "held": amounts(row.amounts),
        "price": row.price_version,
        "sent": "yes" if row.dispatched else "no",
        "served_by": row.settled_metadata.get("served_model", ""),
        "state": row.state.value,
        "charged": "" if row.charged is None else amounts(row.charged),
        "estimated": "yes" if row.estimated else "",
        "uncovered": amounts(row.uncovered) if any(row.uncovered.values()) else "",
    }
    return {what: value for what, value in told.items() if value}


def _show_budgets(hold: PastHold) -> None:
    console = open_console()
    if hold.before is None:
        console.print("What its budgets had before: the journal does not reach back so far.")
        return
    table = new_table("scope", "period", ">had", ">held", title="\nIts budgets before it")
    for window, had in hold.before.items():
        held = hold.row.amounts.get(window.unit, 0)
        table.add_row(
            window.scope,
            period_name(window.period),
            written(had.remaining, window.unit),
            written(held, window.unit),
        )
    console.print(table)


def past_object(holds: tuple[PastHold, ...]) -> dict[str, object]:
    """The same for programs."""
    return {
        "attempts": [{**facts(hold), "budgets": _budgets(hold)} for hold in holds],
        "not_known": list(FORGOTTEN),
    }


def _budgets(hold: PastHold) -> list[dict[str, object]] | None:
    if hold.before is None:
        return None
    return [
        {
            "scope": window.scope,
            "unit": window.unit,
            "period": period_name(window.period),
            "window_start_ms": window.start_ms,
            "remaining": had.remaining,
            "held": hold.row.amounts.get(window.unit, 0),
        }
        for window, had in hold.before.items()
    ]
