"""The Cycles protocol over HTTP: decide, reserve and commit, from one client to two hundred.

requests    the bytes of each operation, fresh in every request
planes      the server in each home of its ledger
books       what the books must say after each window, and what they do say
race        the windows, in every home, again and again
report      its table for people, JSON for programs
"""
