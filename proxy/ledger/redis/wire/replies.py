"""What the error replies of Redis and Valkey mean for an operation that is one script.

A server that is loading, full, read-only or elsewhere says so before a script's first write,
so the operation did not happen; a script that has written may go on writing. One that lacks a
right or is broken may stop in its middle, and what it wrote is not undone.

Servers older than 7.0 wrap what a command inside a script answers:
`ERR Error running script (call to f_…): @user_script:1: @user_script: 1: -OOM command …`.

Source: https://redis.io/docs/latest/develop/reference/protocol-spec/ (simple errors),
https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/ (MOVED, ASK,
TRYAGAIN), error replies in server.c and script.c of Redis 6.2 to 8 and Valkey 7.2 to 9.
"""

import re
from types import MappingProxyType
from typing import Final

from proxy.ledger.redis.wire.address import Endpoint
from proxy.ledger.redis.wire.faults import Fault, Remedy

_WRAPPED: Final = re.compile(r"^ERR Error running script .*?: -?([A-Z]+) ")
_MOVED: Final = re.compile(r"^(MOVED|ASK) \d+ (.*):(\d+)$")
_CODE: Final = re.compile(r"^[A-Z]{2,20}$")
_TEXT_CHARS_MAX: Final = 300

_FAULTS: Final = MappingProxyType(
    {
        "NOSCRIPT": Fault("the store forgets its scripts", Remedy.SEND_SOURCE),
        "TRYAGAIN": Fault("the store is moving keys between its nodes", Remedy.WAIT),
        "CLUSTERDOWN": Fault("the cluster of the store is down", Remedy.WAIT),
        "LOADING": Fault("the store is loading its data", Remedy.WAIT),
        "MASTERDOWN": Fault("the store is a replica that has lost its master", Remedy.WAIT),
        "BUSY": Fault("the store is busy with a script of somebody else", Remedy.WAIT),
        "READONLY": Fault(
            "the store is a read-only replica; the address must lead to its master, or name the "
            "sentinels or the cluster that know it",
            Remedy.RECONNECT,
        ),
        "NOREPLICAS": Fault(
            "the store has fewer replicas than its min-replicas-to-write; bring them back, or "
            "lower that setting",
            Remedy.CHANGE_SERVER,
        ),
        "OOM": Fault(
            "the store is full; raise its maxmemory or free memory, budgets are never evicted",
            Remedy.CHANGE_SERVER,
        ),
        "MISCONF": Fault(
            "the store cannot save its data and takes no writes; see its log, most often its "
            "disk is full",
            Remedy.CHANGE_SERVER,
        ),
        "NOAUTH": Fault(
            "the store wants a password; write it into the address, as user:password@ before "
            "the host",
            Remedy.CHANGE_SERVER,
        ),
        "WRONGPASS": Fault(
            "the store does not accept the user and password of the address",
            Remedy.CHANGE_SERVER,
        ),
        "NOPERM": Fault(
            "the user of the address may not do this in the store; docs/decisions/redis-wire.md "
            "lists what it needs",
            Remedy.CHANGE_SERVER,
        ),
        "DENIED": Fault(
            "the store is in protected mode and takes only local connections; give it a "
            "password or bind it to an address",
            Remedy.CHANGE_SERVER,
        ),
        "CROSSSLOT": Fault("the keys of an operation are not in one slot", Remedy.NONE),
    }
)

_STOPPED: Final = Fault(
    "the user of the address may not do in the store what the ledger's scripts do there; "
    "docs/decisions/redis-wire.md lists what it needs",
    Remedy.CHANGE_SERVER,
    may_have_applied=True,
)

_PHRASES: Final = (
    ("ACL failure in script", _STOPPED),
    ("The user executing the script", _STOPPED),
    (
        "without any password configured",
        Fault(
            "the address has a password and the store has none; give the store one, or take "
            "it out of the address",
            Remedy.CHANGE_SERVER,
        ),
    ),
    (
        "max number of clients",
        Fault("the store takes no more connections (maxclients)", Remedy.WAIT),
    ),
    (
        "unknown command",
        Fault(
            "the store does not know a command that the ledger needs: it is disabled or "
            "renamed, or the server is older than 6.2",
            Remedy.CHANGE_SERVER,
        ),
    ),
    (
        "DB index is out of range",
        Fault(
            "the store has no database of the number in the address",
            Remedy.CHANGE_SERVER,
        ),
    ),
    (
        "cluster support disabled",
        Fault(
            "the store is not a cluster; write redis:// instead of redis+cluster://",
            Remedy.CHANGE_SERVER,
        ),
    ),
)


def fault_of(text: str) -> Fault:
    """What an error reply means, by its first word.

    The texts of servers can repeat what was sent to them, so only those of a script's own
    failure are passed on.
    """
    redirect = _MOVED.match(text)
    if redirect is not None:
        return _redirected(*redirect.groups())
    wrapped = _WRAPPED.match(text)
    code = wrapped.group(1) if wrapped is not None else text.partition(" ")[0]
    known = _FAULTS.get(code)
    if known is not None:
        return known
    for phrase, fault in _PHRASES:
        if phrase in text:
            return fault
    if "user_script" in text:
        return Fault(f"a script failed: {text[:_TEXT_CHARS_MAX]}", Remedy.NONE, True)
    name = code if _CODE.match(code) is not None else "no code"
    return Fault(f"the store answered with an unknown error ({name})", Remedy.NONE, True)


def _redirected(code: str, host: str, port: str) -> Fault:
    remedy = Remedy.FOLLOW if code == "MOVED" else Remedy.FOLLOW_ONCE
    target = Endpoint("" if host == "?" else host, int(port))
    return Fault("the nodes of the store do not agree on who has a key", remedy, target=target)
