"""What must be true when a run is over.

books     the file of the ledger, read with SQL alone
journal   what must be true after each entry, and of each hold's life
calls     what must be true of each call, by the upstream's own bill
"""
