"""The budgets of people: templates, runs, rolling windows, what goes over, what operators do."""
