"""Where money is held: one interface, one set of rules, several homes.

protocol   what a ledger does, for whoever calls one
rules/     who may hold and what a settlement charges: pure arithmetic on budgets
journal    the entries every change leaves behind, and how balances follow from them
audit      what a check of all balances finds
sqlite/    the embedded home: one file, one writer
"""
