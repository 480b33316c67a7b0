"""The tokenizers, with their vocabulary files beside them, never downloaded.

vocabulary  the files, checked by their hash, as encoders
counting    counts that never break and never take long
"""

from pricing.tokens.counting import Count, Tokenizers

__all__ = ["Count", "Tokenizers"]
