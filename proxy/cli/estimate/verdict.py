"""What the budgets would say to a call, and to what is tried in its place."""

from collections.abc import Sequence
from dataclasses import dataclass

from proxy.dialects.dialect import Dialect, Request
from proxy.domain.errors import BudgetRefused, Reason, Refused
from proxy.domain.scope import derive
from proxy.domain.subject import Subject
from proxy.gateway.estimate import Estimator, Plan
from proxy.gateway.shape import Shaped, shape
from proxy.gateway.tools.dropping import TRIES, fewer_tools
from proxy.ledger import rules
from proxy.ledger.records import Balance
from proxy.ledger.rules import Granted
from proxy.policies import Wish


@dataclass(frozen=True, slots=True)
class Asked:
    """A call, by whom, and the budgets in the order in which a reserve asks them."""

    dialect: Dialect
    request: Request
    subject: Subject
    balances: Sequence[Balance]
    share_pct: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the last wish that was tried. `balances` are those that its plan needs."""

    wish: Wish
    plan: Plan
    balances: Sequence[Balance]
    granted: Granted | None = None
    shaped: Shaped | None = None
    refused: Refused | None = None


async def reach_verdict(
    asked: Asked, wish: Wish, estimator: Estimator, *, at_ms: int, tries: int = TRIES
) -> Verdict:
    """Plan the call, ask its budgets, and once more with fewer tools where that may help.

    Raises:
        Refused: the call has no plan.
    """
    plan = await estimator.plan(asked.dialect, asked.request, wish, at_ms=at_ms)
    held = plan.rungs[0].keys()
    balances = [balance for balance in asked.balances if balance.unit in held]
    try:
        granted, shaped = _pass(asked, wish, plan, balances)
        return Verdict(wish, plan, balances, granted, shaped)
    except BudgetRefused as refused:
        verdict = Verdict(wish, plan, balances, refused=refused)
        try:
            fewer = fewer_tools(
                asked.dialect, asked.request, wish, plan.ways[0], refused, tries=tries
            )
        except Refused as denied:
            return Verdict(wish, plan, balances, refused=denied)
    except Refused as refused:
        return Verdict(wish, plan, balances, refused=refused)
    if fewer is None:
        return verdict
    return await reach_verdict(asked, fewer, estimator, at_ms=at_ms, tries=tries - 1)


def grant(balances: Sequence[Balance], plan: Plan, share_pct: int) -> Granted:
    """What these budgets grant. Raises BudgetRefused."""
    return rules.grant(balances, plan.rungs, max_share_pct=share_pct, free=plan.free)


def _pass(
    asked: Asked, wish: Wish, plan: Plan, balances: Sequence[Balance]
) -> tuple[Granted, Shaped]:
    wish.check_leaves()
    units = [balance.unit for balance in balances]
    if not plan.free and not rules.covers(units, plan.rungs[0]):
        raise _no_budget(asked.subject, is_counted_otherwise=bool(asked.balances))
    granted = grant(balances, plan, asked.share_pct)
    way = plan.ways[granted.rung]
    shaped = shape(asked.dialect, wish, way, rung=granted.rung, amounts=granted.amounts)
    return granted, shaped


def _no_budget(subject: Subject, *, is_counted_otherwise: bool) -> Refused:
    scope_path = derive(subject)[-1]
    if is_counted_otherwise:
        return Refused(
            Reason.BUDGET_NOT_FOUND,
            f"The budgets of {scope_path} count neither US dollars nor tokens.",
        )
    return Refused(
        Reason.BUDGET_NOT_FOUND,
        f"No budget covers {scope_path}. Declare one for it, or for a scope above it.",
    )
