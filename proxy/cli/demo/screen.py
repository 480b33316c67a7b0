"""A run for people: live on a terminal, a line a second elsewhere, and how it ended."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from proxy.cli.demo.course import Scene
from proxy.cli.demo.inspect import Report
from proxy.cli.demo.stage import CHEAPER, MODEL, SHORTEN_PCT, SWAP_PCT, Stage
from proxy.cli.demo.tally import Tally, Told
from proxy.cli.output import counted, new_table
from proxy.domain.decision import Decision
from proxy.domain.money import MICROCENTS_PER_CENT, usd
from proxy.ledger.records import Balance

_AGENTS_SHOWN: Final = 5
_TOLD_SHOWN: Final = 7
_BAR_CHARACTERS: Final = 8
_LINE_MS: Final = 1_000
_TENTHS_OF_A_MILLI_USD: Final = MICROCENTS_PER_CENT // 100

_STYLES: Final = {
    Decision.ALLOW: "green",
    Decision.ALLOW_WITH_CAPS: "yellow",
    Decision.DENY: "red",
}
_SHORT: Final = {
    Decision.ALLOW: "ALLOW",
    Decision.ALLOW_WITH_CAPS: "CAPS",
    Decision.DENY: "DENY",
}


def introduction(stage: Stage) -> str:
    """What is going to be seen."""
    return (
        f"{counted(stage.agents, 'agent asks', 'agents ask')} {MODEL} through the proxy; "
        f"their app may spend "
        f"${usd(stage.app_budget)} today, which is too little. Each call first holds the most it "
        f"can cost. From {SWAP_PCT}% used on, a policy swaps in {CHEAPER}; from {SHORTEN_PCT}% it "
        "shortens answers, too (CAPS). When nothing fits any more, the answer is no (DENY), and "
        "the agent stops."
    )


class LiveScreen:
    """Scenes on a terminal, each in the place of the last."""

    def __init__(self, stage: Stage, live: Live) -> None:
        self._head = Text(introduction(stage), style="dim")
        self._live = live
        live.update(Group(self._head, Text(), Text("starting …")), refresh=True)

    def __call__(self, scene: Scene) -> None:
        last = _last_told(scene.tally.told[-_TOLD_SHOWN:])
        table = _scopes(scene.balances, scene.tally)
        self._live.update(Group(self._head, Text(), table, Text(), last), refresh=True)


class Lines:
    """Scenes as lines, one a second."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next_ms = 0

    def __call__(self, scene: Scene) -> None:
        if scene.elapsed_ms < self._next_ms:
            return
        self._next_ms = scene.elapsed_ms + _LINE_MS
        counts = "  ".join(f"{_SHORT[d]} {scene.tally.total[d]}" for d in Decision)
        app = next(b for b in scene.balances if "/agent:" not in b.scope and "/app:" in b.scope)
        self._console.print(
            f"{scene.elapsed_ms / 1000:5.1f} s  spent {_money(app.spent)}, held "
            f"{_money(app.reserved)} of {_money(app.allocated)}  {counts}"
        )


def nothing(scene: Scene) -> None:
    """A run that nobody watches."""


def _scopes(balances: Sequence[Balance], tally: Tally) -> Table:
    """The tenant, its app, the first agents, and the rest in one line."""
    table = new_table(
        "scope",
        ">allocated",
        ">spent",
        ">reserved",
        ">remaining",
        "used",
        f">[{_STYLES[Decision.ALLOW]}]ALLOW",
        f">[{_STYLES[Decision.ALLOW_WITH_CAPS]}]CAPS",
        f">[{_STYLES[Decision.DENY]}]DENY",
    )
    table.padding = (0, 1, 0, 0)  # all of it has to fit into 80 columns
    agents = [b for b in balances if "/agent:" in b.scope]
    above = [b for b in balances if "/agent:" not in b.scope]
    for balance in (*above, *agents[:_AGENTS_SHOWN]):
        depth = balance.scope.count("/")
        name = "  " * depth + balance.scope.rpartition("/")[2]
        _add_row(table, name, [balance], tally.of(balance.scope))
    others = agents[_AGENTS_SHOWN:]
    if others:
        counts = sum((tally.of(balance.scope) for balance in others), Counter[Decision]())
        _add_row(table, f"    {counted(len(others), 'more agent')}", others, counts)
    return table


def _add_row(
    table: Table, name: str, balances: Sequence[Balance], counts: Counter[Decision]
) -> None:
    allocated = sum(b.allocated for b in balances)
    spent = sum(b.spent for b in balances)
    reserved = sum(b.reserved for b in balances)
    remaining = sum(b.remaining for b in balances)
    table.add_row(
        name,
        *map(_money, (allocated, spent, reserved, remaining)),
        _bar(spent, reserved, allocated),
        *(str(counts[decision] or "") for decision in Decision),
    )


def _bar(spent: int, reserved: int, allocated: int) -> Text:
    """Spent, held, free."""
    solid = _BAR_CHARACTERS * spent // allocated
    held = min(_BAR_CHARACTERS - solid, -(-_BAR_CHARACTERS * reserved // allocated))
    bar = Text("█" * solid, style="red" if solid >= _BAR_CHARACTERS - 1 else "cyan")
    bar.append("▒" * held, style="blue")
    bar.append("·" * (_BAR_CHARACTERS - solid - held), style="dim")
    return bar


def _last_told(told: Sequence[Told]) -> Group:
    return Group(*map(_line, told))


def _line(told: Told) -> Text:
    style = "blue" if told.is_busy else _STYLES[told.decision]
    line = Text(f"{told.at_ms / 1000:5.1f} s  {told.agent:<8} ", no_wrap=True, overflow="ellipsis")
    line.append(f"{'WAIT' if told.is_busy else _SHORT[told.decision]:<6}", style=style)
    return line.append(told.why)


def show_report(console: Console, report: Report) -> None:
    """How it ended."""
    tally = report.tally
    counts = ", ".join(f"{tally.total[d]} {d}" for d in Decision)
    console.print()
    console.print(
        f"{counted(tally.total.total(), 'call')} in {report.elapsed_ms / 1000:.1f} s: {counts}; "
        f"{counted(tally.waits, 'time')} an agent was told to wait for calls in flight."
    )
    console.print()
    for promise in report.promises:
        mark = Text("✓ ", style="bold green") if promise.kept else Text("✗ ", style="bold red")
        console.print(mark.append(promise.what, style="default").append(f"  ({promise.figures})"))
    console.print()
    if report.all_kept:
        console.print("Every promise was kept.", style="bold green")
    else:
        console.print("A promise was broken.", style="bold red")


def report_object(stage: Stage, report: Report) -> dict[str, object]:
    """How it ended, for programs. Amounts are decimal strings of US dollars."""
    tally = report.tally
    return {
        "ok": report.all_kept,
        "seed": stage.seed,
        "agents": stage.agents,
        "elapsed_ms": report.elapsed_ms,
        "decisions": {decision.value: tally.total[decision] for decision in Decision},
        "waits": tally.waits,
        "billed_usd": usd(report.billed),
        "charged_usd": usd(report.audit.charged),
        "uncovered_usd": usd(report.audit.uncovered),
        "budgets": [
            {
                "scope": balance.scope,
                "allocated_usd": usd(balance.allocated),
                "spent_usd": usd(balance.spent),
                "remaining_usd": usd(balance.remaining),
                "decisions": {d.value: tally.of(balance.scope)[d] for d in Decision},
            }
            for balance in report.balances
        ],
        "promises": [
            {"what": promise.what, "kept": promise.kept, "figures": promise.figures}
            for promise in report.promises
        ],
    }


def _money(microcents: int) -> str:
    """Four decimals, so that columns stand still while figures change."""
    tenths = microcents // _TENTHS_OF_A_MILLI_USD
    sign, tenths = ("-", -tenths) if tenths < 0 else ("", tenths)
    return f"{sign}${tenths // 10_000}.{tenths % 10_000:04d}"
