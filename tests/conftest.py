"""How properties are tried: a slow machine is no counterexample, and a failure prints its seed."""

from hypothesis import settings

settings.register_profile("spendgate", deadline=None, print_blob=True)
settings.load_profile("spendgate")
