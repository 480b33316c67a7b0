"""Questions that change nothing.

budgets   what they hold, all of them at once
rows      holds and events, the newest of them
journal   entries, page by page
"""
