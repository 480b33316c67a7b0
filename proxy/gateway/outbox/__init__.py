"""What the ledger has to hear and could not be told yet: settlements that wait, on disk.

record    what is told, and how a line of the file says it
shelf     the file of one process, and what dead processes left
adoption  what dead processes left
landing   the operations of the ledger that carry a record out
outbox    keeps records, and lands them in order once the ledger is back
elsewhere settlements of a ledger elsewhere: every one is on the disk before it is told
unheld    calls that leave without a hold
outage    one line in the log when the ledger goes, one when it is back
"""
