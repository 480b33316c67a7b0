"""What operators do with a ledger, beside a proxy that serves from it or without one.

opened        the ledger of a command, and who asks
naming        how budgets, windows and amounts are named
budgets       list, show, fund, freeze, unfreeze
reservations  list, show, commit, release
tenants       list, suspend, close, reopen
rolling       what leaves a rolling window, and when
verify        every balance once more
tables        budgets and holds for people
wire          balances and reservations as the protocol writes them
"""
