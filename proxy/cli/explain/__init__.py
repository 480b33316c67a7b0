"""`spendgate explain`: why a call would be told what it is told, or was.

command  the command, for people and for programs
show     a forecast of `estimate` by who decides: budgets, policies, rungs
past     what the ledger still knows of a call, by its trace id
recall   what was found of it as tables
"""
