"""At a server whose budgets nobody here declares."""
