"""The ledger in one SQLite file.

ledger        what callers hold; each operation is one line of it
group         who is served next, and answers: one transaction at a time
batch         one transaction: BEGIN, each operation whole or not, COMMIT
transaction   what that transaction changes: rows at once, windows and journal at its end
accounts      budgets in their windows, read once and written once in a transaction
templates     lines of configuration that make budgets
holds, rows   the rows of holds: what operations need of them, and whole ones
answers       first answers, kept for replays
clock, pace   the ledger's time, and when to ask again
operations/   what is asked of it
file/         how the file is opened, locked, kept small, and how it fails
"""
