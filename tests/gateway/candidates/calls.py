"""Calls of every dialect that is metered, and an estimator for them."""

import json
from typing import Any, Final

from pricing.catalogue import Catalogue
from pricing.override import Override
from pricing.tokens import Tokenizers
from proxy.dialects.chat import CHAT
from proxy.dialects.completions import COMPLETIONS
from proxy.dialects.dialect import Dialect, Request
from proxy.dialects.embeddings import EMBEDDINGS
from proxy.dialects.images import IMAGES
from proxy.dialects.messages import MESSAGES
from proxy.dialects.responses import RESPONSES
from proxy.dialects.speech import SPEECH
from proxy.gateway.candidates.counting import Counter
from proxy.gateway.candidates.terms import Ceilings, Degrade
from proxy.gateway.estimate import Estimator, Plan
from proxy.gateway.routes import Route, Routes
from proxy.policies import Wish

NOW_MS: Final = 1_795_000_000_000
HELLO: Final = [{"role": "user", "content": "hi"}]
DIALECTS: Final = {
    "chat": CHAT,
    "responses": RESPONSES,
    "messages": MESSAGES,
    "completions": COMPLETIONS,
    "embeddings": EMBEDDINGS,
    "images": IMAGES,
    "speech": SPEECH,
}
TOKENIZERS: Final = Tokenizers()
TOKENIZERS.load(["o200k_base", "cl100k_base"])


def estimator(
    *,
    shorten: bool = True,
    min_output_tokens: int = 10,
    min_reasoning_tokens: int = 0,
    gives_notes: bool = False,
    fallback_models: dict[str, tuple[str, ...]] | None = None,
    counts_calls: bool = False,
    overrides: tuple[Override, ...] = (),
) -> Estimator:
    degrade = Degrade(
        shorten, min_output_tokens, fallback_models or {}, min_reasoning_tokens, gives_notes
    )
    return Estimator(
        Catalogue(overrides),
        Counter(TOKENIZERS),
        degrade,
        Routes(
            [
                Route("claude", "anthropic", ("claude*",), "anthropic"),
                Route("openai", "openai", ("*",), "openai"),
            ]
        ),
        Ceilings(None, None, 60_000, counts_calls),
    )


def request(api: str, **fields: Any) -> Request:
    """A call of this API."""
    return DIALECTS[api].read_request(json.dumps(fields).encode())


async def plan(
    api: str, call: Request, wish: Wish | None = None, rules: Estimator | None = None
) -> Plan:
    """Its plan, under a wish."""
    dialect: Dialect = DIALECTS[api]
    return await (rules or estimator()).plan(dialect, call, wish or Wish(), at_ms=NOW_MS)
