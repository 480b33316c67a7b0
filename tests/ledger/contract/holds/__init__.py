"""Holds in several units, and what is charged without one."""
