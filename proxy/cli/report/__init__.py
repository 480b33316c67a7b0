"""`spendgate report`: what the rows of the ledger say about the proxy itself.

command   the commands
reading   rows of the ledger, a few at a time
card      the report card of the estimator: what was held against what calls came to
show      as a table, and as an object for programs
page      as a page with plots that opens without a network
"""
