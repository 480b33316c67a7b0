"""The headers that the real API sends beside an answer.

Source: https://developers.openai.com/api/reference/overview#debugging-requests and
https://developers.openai.com/api/docs/guides/rate-limits; the rest is what its edge adds.
`date` is added by the server.
"""

REQUESTS_A_MINUTE = 10_000
TOKENS_A_MINUTE = 30_000_000


def answer_headers(request_id: str, number: int, tokens: int) -> dict[str, str]:
    """Headers of the answer to request `number` (from 1) with a prompt of `tokens`."""
    return {
        "x-request-id": request_id,
        "openai-organization": "simulated",
        "openai-processing-ms": "12",
        "openai-version": "2020-10-01",
        "x-ratelimit-limit-requests": str(REQUESTS_A_MINUTE),
        "x-ratelimit-limit-tokens": str(TOKENS_A_MINUTE),
        "x-ratelimit-remaining-requests": str(max(REQUESTS_A_MINUTE - number, 0)),
        "x-ratelimit-remaining-tokens": str(max(TOKENS_A_MINUTE - tokens, 0)),
        "x-ratelimit-reset-requests": "6ms",
        "x-ratelimit-reset-tokens": "0s",
        "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
        "x-content-type-options": "nosniff",
        "alt-svc": 'h3=":443"; ma=86400',
        "server": "cloudflare",
    }
