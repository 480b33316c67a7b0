"""What the Cycles protocol asks of a ledger, once for each home."""
