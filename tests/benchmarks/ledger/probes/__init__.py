"""What a ledger is measured by: the same work at its home, with nothing of ours around it.

rows       writes the rows that the ledger writes, in as many transactions
requests   what the ledger sends to a store, ready to be sent again with other ids
pipeline   sends them over one plain socket and counts the answers
pool       sends them with redis-py
"""
