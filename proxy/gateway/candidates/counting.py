"""How many tokens texts and prompts are, on the loop or beside it."""

import asyncio
from typing import Final

from pricing.bound import InputBound, count_prompt
from pricing.profile import Profile
from pricing.tokens import Tokenizers
from proxy.dialects.dialect import Dialect, Request

INLINE_BYTES: Final = 16_384
"""Above this a thread counts: a prompt of this size takes about a millisecond."""


class Counter:
    """Counts prompts by the tokenizer of the model they go to."""

    def __init__(self, tokenizers: Tokenizers) -> None:
        self._tokenizers = tokenizers

    async def count(self, dialect: Dialect, request: Request, profile: Profile) -> InputBound:
        """How many tokens the request's input can be."""
        if len(request.body) <= INLINE_BYTES:
            return self._count(dialect, request, profile)
        return await asyncio.to_thread(self._count, dialect, request, profile)

    def _count(self, dialect: Dialect, request: Request, profile: Profile) -> InputBound:
        return count_prompt(dialect.prompt_of(request), profile, self._tokenizers)

    async def count_texts(self, texts: tuple[str, ...], profile: Profile) -> int:
        """How many tokens were delivered."""
        if sum(map(len, texts)) <= INLINE_BYTES:
            return self._count_texts(texts, profile)
        return await asyncio.to_thread(self._count_texts, texts, profile)

    def _count_texts(self, texts: tuple[str, ...], profile: Profile) -> int:
        return sum(self._tokenizers.count(text, profile).tokens for text in texts)
