"""What callers over the Cycles protocol ask beside holds and events.

tenants      those that are stopped: who stops them, and whom that stops
remembered   the first answers to questions that changed nothing
find         rows by what is known of them, sorted, page by page
"""
