"""Tests of the ledger.

contract/   what every home does; units and events in holds/, the budgets of people in budgets/,
            what the Cycles protocol asks beside that in protocol/
machine/    lives that a seed draws, in which a home is compared with the model
rules/      the pure arithmetic, in literal numbers
sqlite/     what only the SQLite home can suffer: kills, disks, locks, other processes
model/      a ledger in dictionaries, the oracle
harness     how a home is opened and hurt; a new home is one entry in BACKENDS
"""
