"""What every home of the ledger does: each test runs once for each of them."""
