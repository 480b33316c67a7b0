"""What operators see in a ledger and do to it."""
