"""Prices as others publish them, made exact.

quote     what a price page says, and what it means when it says nothing
listing   the models of the genai-prices package, with their prices over time
matching  whether a name surely means a listed model
"""
