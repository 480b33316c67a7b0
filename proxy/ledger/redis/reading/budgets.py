"""What budgets hold, all of them at once."""

from collections.abc import Sequence

from proxy.ledger.records import Balance
from proxy.ledger.redis import answers
from proxy.ledger.redis.asking import Asker


async def all_balances(asker: Asker, tenants: Sequence[str]) -> tuple[Balance, ...]:
    """Every budget that was made, by scope, unit and period."""
    found: list[Balance] = []
    for tenant in tenants:
        found += answers.balances(await asker.ask("all_balances", tenant, {}))
    found.sort(key=lambda balance: (balance.scope, balance.unit, str(balance.period)))
    return tuple(found)
