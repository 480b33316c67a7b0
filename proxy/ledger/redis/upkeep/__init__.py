"""What keeps the books of a shared store true and small, tenant by tenant.

sweeping    leases that are over, and budgets that nobody uses
sealing     closed runs of the journal
pruning     rows, entries and windows of long ago
verify      every balance once more
"""
