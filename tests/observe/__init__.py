"""Tests of log lines and figures."""
