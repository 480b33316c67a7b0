"""Questions that change nothing.

budgets   what they hold, all of them at once
rows      holds and events, the newest of them
finding   those that a query asks for, in its order
journal   entries, page by page
"""
