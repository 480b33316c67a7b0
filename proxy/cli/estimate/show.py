"""A forecast as tables for people, and as one object for programs."""

from collections.abc import Mapping
from decimal import Decimal

from rich.console import Console

from proxy.cli.books.naming import period_name
from proxy.cli.books.tables import amounts
from proxy.cli.estimate.forecast import Forecast, ScopeForecast
from proxy.cli.estimate.taken import Taken, taken
from proxy.cli.output import counted, new_table, open_console
from proxy.domain.decision import Decision
from proxy.domain.money import Unit, usd, written
from proxy.gateway.estimate import Way
from proxy.gateway.tools.listed import ListedTool
from proxy.policies import Consideration

_STYLES = {
    Decision.ALLOW: "bold green",
    Decision.ALLOW_WITH_CAPS: "bold yellow",
    Decision.DENY: "bold red",
}


def show_forecast(found: Forecast) -> None:
    """Tokens, rates, plan, scopes, decision: in the order in which a call meets them."""
    console = open_console()
    first = found.plan.ways[0]
    console.print(f"{found.request.model}, called by {found.scopes[-1]}")
    if found.wish.policy is not None:
        console.print(f"policy {found.wish.policy} applies: {wish_of(found)}")
    _show_tokens(console, first)
    _show_rates(console, taken(first))
    show_tools(console, found)
    show_plan(console, found)
    _show_scopes(console, found)
    show_decision(console, found)


def _show_tokens(console: Console, way: Way) -> None:
    table = new_table("part", ">count", ">tokens", "bound", "why", title="\nTokens, at most")
    for line in way.bound.lines:
        table.add_row(line.what, f"{line.count:,}", f"{line.tokens:,}", line.bound_class, line.why)
    answers = way.terms["n"]
    each = f"{answers} x {way.output_tokens:,}" if answers > 1 else "the limit of the answer"
    table.add_row("answer", f"{answers:,}", f"{answers * way.output_tokens:,}", "limit", each)
    console.print(table)


def _show_rates(console: Console, rates: Taken) -> None:
    above = ""
    if rates.above_tokens >= 0:
        above = f", input above {counted(rates.above_tokens, 'token')}"
    tiers = f" (dearest of {', '.join(rates.tiers)})" if len(rates.tiers) > 1 else ""
    title = f"\nRates taken, tier {rates.service_tier}{tiers}{above}"
    table = new_table("what", ">tokens", ">USD per million", "why", title=title)
    for rate in rates.rates:
        table.add_row(rate.what, f"{rate.tokens:,}", usd(rate.microcents_per_mtok), rate.why)
    if rates.fees_microcents:
        table.add_row(
            "fees",
            "",
            f"${usd(rates.fees_microcents)}",
            "the request, its tools, and what is no token",
        )
    if rates.multiplier != 1:
        table.add_row("all of it", "", f"x {_decimal(rates)}", "upstreams[].price_multiplier")
    if rates.rates or rates.fees_microcents:
        console.print(table)
    else:
        console.print("\nRates taken: none, the model is free")


def show_tools(console: Console, found: Forecast) -> None:
    """What is held for the use of tools, and which of them are left out."""
    first = found.plan.ways[0]
    if first.tools:
        table = new_table(
            "tool", ">fee", ">risk points", ">calls a run may make", title="\nTools, for each call"
        )
        for tool in first.tools:
            most, fee = tool.rule.max_calls_per_run, tool.rule.fee_microcents
            table.add_row(
                tool.name,
                f"${usd(fee)}" if fee else "",
                f"{tool.rule.risk_points:,}" if tool.rule.risk_points else "",
                f"{most:,}" if most is not None else "",
            )
        console.print(table)
        console.print(f"held for {counted(first.terms['n'], 'call')} of each in all")
    if found.wish.without_tools:
        names = ", ".join(sorted(found.wish.without_tools))
        console.print(f"\nLeft out, for what their use counts for: {names}")


def show_plan(console: Console, found: Forecast) -> None:
    """Each rung with what it would hold, the one that is taken, and who cannot stand in."""
    table = new_table(
        "rung", "model", ">answer up to", ">holds at least", ">at most", "bound", "", title="\nPlan"
    )
    for number, way in enumerate(found.plan.ways):
        taken_now = ""
        if found.granted is not None and found.granted.rung == number:
            length = way.output_tokens_for(found.granted.amounts)
            taken_now = f"<- now: {amounts(found.granted.amounts)}, answer up to {length:,}"
        table.add_row(
            str(number + 1),
            way.model.name,
            f"{way.output_tokens:,}",
            amounts({unit: span.minimum for unit, span in way.rung.items()}),
            amounts({unit: span.want for unit, span in way.rung.items()}),
            way.bound.bound_class,
            taken_now,
        )
    console.print(table)
    for model, missing in found.plan.skipped:
        console.print(f"{model} cannot stand in: it lacks {missing} for this call")


def _show_scopes(console: Console, found: Forecast) -> None:
    source = "from the ledger" if found.from_ledger else "as declared: there is no ledger yet"
    table = new_table("scope", "period", ">remaining", "says", title=f"\nBudgets, {source}")
    for each in found.by_scope:
        balance = each.balance
        remaining = written(balance.remaining, balance.unit)
        table.add_row(balance.scope, period_name(balance.period), remaining, says_of(each))
    if found.by_scope:
        console.print(table)


def show_decision(console: Console, found: Forecast) -> None:
    """What the call would be told, and what of it is changed."""
    console.print()
    console.print(found.decision, style=_STYLES[found.decision], end="  ")
    if found.refused is not None:
        console.print(str(found.refused))
    elif found.shaped is not None and found.granted is not None:
        changed = f"; changes {', '.join(found.shaped.caps)}" if found.shaped.caps else ""
        console.print(f"holds {amounts(found.granted.amounts)} in every scope{changed}")


def says_of(each: ScopeForecast) -> str:
    """What a budget alone would say."""
    if each.refused is not None:
        return f"no: {each.refused.reason}"
    assert each.granted is not None
    unit = each.balance.unit
    return f"rung {each.granted.rung + 1}, {written(each.granted.amounts[unit], unit)}"


def wish_of(found: Forecast) -> str:
    """What policy changed before any budget was asked."""
    wish, caps = found.wish, found.wish.caps
    steps = caps.max_steps_remaining
    changes = [
        f"model {wish.model}" if wish.model else "",
        f"at most {counted(caps.max_tokens, 'token')}" if caps.max_tokens is not None else "",
        f"only tools {', '.join(caps.tool_allowlist)}" if caps.tool_allowlist else "",
        f"no tools {', '.join(caps.tool_denylist)}" if caps.tool_denylist else "",
        f"at most {counted(wish.n, 'answer')}" if wish.n is not None else "",
        f"effort {_mapped(wish.reasoning_effort)}" if wish.reasoning_effort else "",
        f"service tier {_mapped(wish.service_tier)}" if wish.service_tier else "",
        f"{counted(steps, 'step')} for {wish.steps}" if steps is not None else "",
        f"{caps.cooldown_ms:,} ms between calls" if caps.cooldown_ms is not None else "",
        "no call at all" if wish.deny is not None else "",
    ]
    return ", ".join(change for change in changes if change)


def _mapped(choices: Mapping[str, str]) -> str:
    return ", ".join(f"{asked} to {sent}" for asked, sent in choices.items())


def _decimal(rates: Taken) -> str:
    multiplier = rates.multiplier
    return f"{Decimal(multiplier.numerator) / multiplier.denominator:f}"


def forecast_object(found: Forecast) -> dict[str, object]:
    """The forecast for programs. Money is decimal strings of US dollars."""
    first = found.plan.ways[0]
    answer: dict[str, object] = {
        "decision": found.decision,
        "model": found.request.model,
        "scope": found.scopes[-1],
        **_by_unit("estimate", {unit: span.want for unit, span in first.rung.items()}),
        "bound": first.bound.bound_class,
        "from_ledger": found.from_ledger,
        "tokens": [
            {
                "what": line.what,
                "count": line.count,
                "tokens": line.tokens,
                "bound": line.bound_class,
                "why": line.why,
            }
            for line in first.bound.lines
        ],
        "rates": _rates_object(taken(first)),
        "tools": [_tool_object(tool) for tool in first.tools],
        "left_out": sorted(found.wish.without_tools),
        "plan": [_way_object(way) for way in found.plan.ways],
        "budgets": [_scope_object(each) for each in found.by_scope],
    }
    if found.wish.policy is not None:
        answer["policy"] = found.wish.policy
    if found.considered:
        answer["policies"] = [_policy_object(each) for each in found.considered]
    if found.plan.skipped:
        answer["cannot_stand_in"] = dict(found.plan.skipped)
    if found.refused is not None:
        answer |= {"reason": found.refused.reason, "message": str(found.refused)}
    elif found.granted is not None and found.shaped is not None:
        way = found.plan.ways[found.granted.rung]
        answer |= {
            "rung": found.granted.rung + 1,
            **_by_unit("held", found.granted.amounts),
            "max_output_tokens": way.output_tokens_for(found.granted.amounts),
            "caps": list(found.shaped.caps),
        }
    return answer


def _rates_object(rates: Taken) -> dict[str, object]:
    return {
        "service_tier": rates.service_tier,
        "fees_usd": usd(rates.fees_microcents),
        "price_multiplier": _decimal(rates),
        "taken": [
            {
                "what": rate.what,
                "tokens": rate.tokens,
                "usd_per_mtok": usd(rate.microcents_per_mtok),
                "why": rate.why,
            }
            for rate in rates.rates
        ],
    }


def _tool_object(tool: ListedTool) -> dict[str, object]:
    return {
        "name": tool.name,
        "fee_usd": usd(tool.rule.fee_microcents),
        "risk_points": tool.rule.risk_points,
        "max_calls_per_run": tool.rule.max_calls_per_run,
    }


def _way_object(way: Way) -> dict[str, object]:
    return {
        "model": way.model.name,
        "source": way.model.card.source,
        "output_tokens": way.output_tokens,
        **_by_unit("minimum", {unit: span.minimum for unit, span in way.rung.items()}),
        **_by_unit("want", {unit: span.want for unit, span in way.rung.items()}),
        "bound": way.bound.bound_class,
    }


def _policy_object(each: Consideration) -> dict[str, object]:
    told: dict[str, object] = {"name": each.policy, "priority": each.priority}
    told["used_pct"] = each.used_pct
    return told | ({"unmet": each.unmet} if each.unmet is not None else {"band": each.band})


def _scope_object(each: ScopeForecast) -> dict[str, object]:
    balance = each.balance
    says: dict[str, object] = {}
    if each.refused is not None:
        says["reason"] = each.refused.reason
    elif each.granted is not None:
        held = _by_unit("would_hold", {balance.unit: each.granted.amounts[balance.unit]})
        says = {"rung": each.granted.rung + 1, **held}
    return {
        "scope": balance.scope,
        "unit": balance.unit,
        "period": period_name(balance.period),
        **_by_unit("remaining", {balance.unit: balance.remaining}),
        **says,
    }


def _by_unit(name: str, by_unit: Mapping[Unit, int]) -> dict[str, object]:
    """One field for each unit: `held_usd`, a decimal string, and `held_tokens`."""
    return {
        f"{name}_usd" if unit is Unit.USD_MICROCENTS else f"{name}_{unit.lower()}": (
            usd(amount) if unit is Unit.USD_MICROCENTS else amount
        )
        for unit, amount in by_unit.items()
    }
