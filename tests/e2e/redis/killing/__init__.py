"""Three proxies on one Valkey, 300 calls at once, and kill -9 of one of them.

A seed draws budgets, calls, and whom it meets when. Processes and sockets are real, so a seed
draws what is asked and not in which order it comes: a failure may take a few tries to return.

    plan    what a seed draws, as data
    life    lives a plan: proxies, callers, the kill, the end of the leases
    books   the shared ledger as the judge of the simulated lives reads it
    judge   what must be true afterwards
"""
