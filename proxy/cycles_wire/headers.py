"""The names of the headers of the protocol.

Source: cycles-protocol-v0.yaml, components.headers, securitySchemes, IdempotencyKeyHeader.
"""

from typing import Final

API_KEY: Final = "X-Cycles-API-Key"
IDEMPOTENCY_KEY: Final = "X-Idempotency-Key"
REQUEST_ID: Final = "X-Request-Id"
TRACE_ID: Final = "X-Cycles-Trace-Id"
TENANT: Final = "X-Cycles-Tenant"
RETRY_AFTER: Final = "Retry-After"
RATE_LIMIT_REMAINING: Final = "X-RateLimit-Remaining"
RATE_LIMIT_RESET: Final = "X-RateLimit-Reset"
