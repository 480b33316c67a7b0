"""`spendgate estimate`: what a call would hold, why, and whether it would leave now.

command   the command, for people and for programs
forecast  the steps of a call up to its hold, without the hold
verdict   what the budgets would say to it, and to what is tried in its place
taken     the prices that a hold takes, and why these
show      all of it as tables
"""
