"""The journal of a ledger, for whoever keeps it or looks into it elsewhere.

command   `spendgate journal`: export, heads
entries   a tenant's entries between two moments, a few at a time
written   entries as JSON lines, or as CSV
heads     what to keep so that no edit goes unseen
"""
