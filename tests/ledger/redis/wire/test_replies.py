"""One row for each error reply: what may help, and whether it may have been applied."""

import pytest

from proxy.ledger.redis.wire.address import Endpoint
from proxy.ledger.redis.wire.faults import Remedy, StoreError, StoreRefused
from proxy.ledger.redis.wire.replies import fault_of

WRAPPED = "ERR Error running script (call to f_0c3f): @user_script:7: @user_script: 7: "

ROWS = [
    ("NOSCRIPT No matching script. Please use EVAL.", Remedy.SEND_SOURCE, False),
    ("MOVED 3999 127.0.0.1:6381", Remedy.FOLLOW, False),
    ("ASK 3999 127.0.0.1:6381", Remedy.FOLLOW_ONCE, False),
    ("TRYAGAIN Multiple keys request during rehashing of slot", Remedy.WAIT, False),
    ("CLUSTERDOWN Hash slot not served", Remedy.WAIT, False),
    ("LOADING Redis is loading the dataset in memory", Remedy.WAIT, False),
    ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data", Remedy.WAIT, False),
    ("BUSY Redis is busy running a script. You can only call SCRIPT KILL", Remedy.WAIT, False),
    ("ERR max number of clients reached", Remedy.WAIT, False),
    ("ERR max number of clients + cluster connections reached", Remedy.WAIT, False),
    ("READONLY You can't write against a read only replica.", Remedy.RECONNECT, False),
    (f"{WRAPPED}-READONLY You can't write against", Remedy.RECONNECT, False),
    ("OOM command not allowed when used memory > 'maxmemory'.", Remedy.CHANGE_SERVER, False),
    (f"{WRAPPED}-OOM command not allowed when used", Remedy.CHANGE_SERVER, False),
    ("NOREPLICAS Not enough good replicas to write.", Remedy.CHANGE_SERVER, False),
    ("MISCONF Redis is configured to save RDB snapshots", Remedy.CHANGE_SERVER, False),
    ("NOAUTH Authentication required.", Remedy.CHANGE_SERVER, False),
    ("WRONGPASS invalid username-password pair", Remedy.CHANGE_SERVER, False),
    ("NOPERM this user has no permissions to run", Remedy.CHANGE_SERVER, False),
    (f"{WRAPPED}The user executing the script can't run", Remedy.CHANGE_SERVER, True),
    ("ERR ACL failure in script: User x on @user_script:1.", Remedy.CHANGE_SERVER, True),
    ("DENIED Redis is running in protected mode", Remedy.CHANGE_SERVER, False),
    ("ERR AUTH <password> called without any password configured", Remedy.CHANGE_SERVER, False),
    ("ERR unknown command 'EVALSHA', with args beginning with:", Remedy.CHANGE_SERVER, False),
    ("ERR DB index is out of range", Remedy.CHANGE_SERVER, False),
    ("ERR This instance has cluster support disabled", Remedy.CHANGE_SERVER, False),
    ("CROSSSLOT Keys in request don't hash to the same slot", Remedy.NONE, False),
    ("WRONGTYPE Operation against a key, on @user_script:3.", Remedy.NONE, True),
    (f"{WRAPPED}WRONGTYPE Operation against a key", Remedy.NONE, True),
    ("ERR something new", Remedy.NONE, True),
    ("", Remedy.NONE, True),
]


@pytest.mark.parametrize(("text", "remedy", "may_have_applied"), ROWS)
def test_an_error_reply_has_a_meaning(text: str, remedy: Remedy, may_have_applied: bool) -> None:
    fault = fault_of(text)
    assert (fault.remedy, fault.may_have_applied) == (remedy, may_have_applied)
    error = fault.error()
    assert isinstance(error, StoreRefused) is (remedy is Remedy.CHANGE_SERVER)
    assert isinstance(error, StoreError)
    assert error.why == str(error) == fault.why


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("MOVED 3999 127.0.0.1:6381", Endpoint("127.0.0.1", 6381)),
        ("ASK 1 a.example:1", Endpoint("a.example", 1)),
        ("MOVED 1 ::1:7", Endpoint("::1", 7)),
        ("MOVED 1 :7", Endpoint("", 7)),
        ("MOVED 1 ?:7", Endpoint("", 7)),
    ],
)
def test_a_redirect_names_its_target(text: str, target: Endpoint) -> None:
    assert fault_of(text).target == target


@pytest.mark.parametrize("text", ["MOVED", "MOVED x y:1", "MOVED 1 h", "ASK 1 h:p"])
def test_a_broken_redirect_leads_nowhere(text: str) -> None:
    assert fault_of(text).remedy is Remedy.NONE


def test_a_server_that_repeats_what_it_was_sent_is_not_repeated() -> None:
    for text in (
        "ERR unknown command 'AUTH', with args beginning with: 'user' 'hunter2'",
        "ERR hunter2",
        "hunter2",
        "WHAT hunter2",
    ):
        assert "hunter2" not in fault_of(text).why


def test_the_code_of_an_unknown_error_is_told() -> None:
    assert "(WHAT)" in fault_of("WHAT happened").why


def test_the_failure_of_a_script_is_told_but_not_without_end() -> None:
    why = fault_of(f"ERR user_script:3: {'x' * 10_000}").why
    assert why.startswith("a script failed: ERR user_script:3: xxx")
    assert len(why) < 400


def test_what_is_unknown_stays_unknown_after_a_refusal() -> None:
    """A first try may have been applied, whatever the second one met."""
    error = fault_of("OOM full").error(may_have_applied=True)
    assert isinstance(error, StoreRefused)
    assert error.may_have_applied
