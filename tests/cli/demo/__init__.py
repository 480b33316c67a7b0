"""The demo shows what it says, and says so when a promise is broken."""
