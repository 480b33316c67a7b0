"""What the Dockerfile says; nothing is built here."""
