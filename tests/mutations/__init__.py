"""Edits that must turn a test red, and a runner that makes them and looks.

A rule that no edit can break unnoticed is a rule that is tested. Each mutation is one edit of
one file, and names the tests that notice it. It is made in a copy of the tree, only there.

    python -m tests.mutations              all of them
    python -m tests.mutations "release"    those whose name has this in it
"""
