"""What operators do with a ledger, beside a proxy that serves from it or without one.

opened        the ledger of a command, and who asks
budgets       list, show, fund, freeze, unfreeze
reservations  list, show, commit, release
verify        every balance once more
wire          balances and reservations as the protocol writes them
"""
