"""Who may hold, and what a settlement charges: arithmetic on balances, and nothing else.

Every rule takes balances as they stand and answers with the amounts to post, or raises.
No home of the ledger decides anything about money outside this folder.

life         the states of a hold and its legal moves
admission    which rung of a plan is held, or why none is
settlement   what a hold becomes, and what is charged once there is room again
allocation   windows, operators and configuration
posting      a balance after a change
asking       what may be asked at all
tenancy      what may be asked for a tenant that is suspended or closed

Source: cycles-protocol-v0.yaml, /v1/reservations and below; where it leaves room,
docs/semantics.md decides.
"""

from proxy.ledger.rules.admission import NOTHING, Granted, covers, grant
from proxy.ledger.rules.allocation import (
    Opening,
    adjust,
    fund,
    open_window,
    purse_line,
    roll,
)
from proxy.ledger.rules.asking import (
    check_extension,
    check_query,
    check_request,
    lines_by_name,
)
from proxy.ledger.rules.life import MOVES, at_lease_end, move
from proxy.ledger.rules.posting import check_amount, post
from proxy.ledger.rules.settlement import (
    ARREARS_MAX,
    RELIEF,
    Arrear,
    Charge,
    Repayment,
    charge,
    doubt,
    give_back,
    may_repay,
    pay,
    repay,
)
from proxy.ledger.rules.tenancy import check_lasting, check_new

__all__ = [
    "ARREARS_MAX",
    "MOVES",
    "NOTHING",
    "RELIEF",
    "Arrear",
    "Charge",
    "Granted",
    "Opening",
    "Repayment",
    "adjust",
    "at_lease_end",
    "charge",
    "check_amount",
    "check_extension",
    "check_lasting",
    "check_new",
    "check_query",
    "check_request",
    "covers",
    "doubt",
    "fund",
    "give_back",
    "grant",
    "lines_by_name",
    "may_repay",
    "move",
    "open_window",
    "pay",
    "post",
    "purse_line",
    "repay",
    "roll",
]
