"""Attempts at a call: each is one request to an upstream, under a hold of its own.

call     what stays the same of a call, however often it is tried, and what it goes through
attempt  the life of one attempt, from its hold to its settlement
course   where the next attempt goes: the same upstream, then those that stand in for it
retries  what may be sent again, and after which pause
kept     what of a call only one upstream knows
pause    waiting, while the caller does
"""
