"""Small scripts to send. Each answers with a list, as those of the ledger do."""

from proxy.ledger.redis.script import Part, Script


def script(name: str, source: str) -> Script:
    return Script(name, (Part(f"{name}.lua", f"{source}\n"),))


ECHO = script("echo", "return {1, unpack(ARGV)}")

COUNT = script("count", "return {redis.call('INCR', KEYS[1])}")
"""Not idempotent: it shows how often it was applied."""

ADD_ONCE = script(
    "add_once",
    "if redis.call('SADD', KEYS[2], ARGV[1]) == 1 then redis.call('INCR', KEYS[1]) end "
    "return {redis.call('GET', KEYS[1])}",
)
"""Idempotent by its first argument, as every operation of the ledger is."""

KEYS = ["{t:acme}:count", "{t:acme}:done"]
