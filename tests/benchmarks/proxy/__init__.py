"""Calls through the proxy, beside the least that a proxy can cost.

rounds   the course every contender runs, again and again, one beside the other
report   its tables for people, JSON for programs
"""
