"""What is asked of the ledger, a file for each kind of asker.

hold         reserve, dispatch, grow, extend
settle       commit, release, charge late
event        what was spent without a hold
arrears      what time and room do to windows, whoever asks: roll on, pay what was owed
sweep        leases that are over, and the first minute after a crash
retire       budgets that templates made and nobody uses
declare      what configuration declares
budgets      what operators do
read         balances, rows and journals, without a transaction
cycles/      what callers over the protocol ask beside that: statuses, answers, rows
verify       every balance once more, from the rows and from the journal
"""
