"""What is asked of the ledger, a file for each kind of asker.

hold         reserve, dispatch, grow, extend
settle       commit, release, charge late, and pay what was owed
sweep        leases that are over, and the first minute after a crash
budgets      what configuration declares and operators do
read         balances, rows and journals, without a transaction
verify       every balance once more, from the rows and from the journal
"""
