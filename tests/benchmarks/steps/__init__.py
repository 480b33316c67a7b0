"""Where the microseconds go: one call's steps, each timed by itself.

targets       which function is which step, in the order of a call
stopwatch     a step's CPU time less that of the steps inside it
timed_proxy   the proxy with a stopwatch in it, a process of its own
measure       calls it, one call at a time, and works out the table
"""
