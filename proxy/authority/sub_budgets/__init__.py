"""Sub-budgets: a part of a budget that a parent carves for a sub-agent, with a key of its own.

    carving     one hold of the parent, and the purse that it fills
    terms       what the hold keeps of the sub-budget: its key's hash, its limits
    credential  the child's key: made again for a replay, stored by nobody
    keys        whose key it is that a request comes with, at both doors
    closing     the purse is frozen, drained, and charged to the parent once
    book        all of it for one ledger
    wire        requests and answers
    operations  what is served under /v1/x-spendgate/sub-budgets

The money of a sub-budget is in one place at a time: held for the parent, spent by the child
from the purse, and charged to the parent when it closes. Why: docs/decisions/sub-budgets.md.
"""
