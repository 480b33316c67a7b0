"""Who is calling: layers that may narrow and never widen."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.errors import LedgerUnavailable, Reason, Refused
from proxy.domain.guard import Guard
from proxy.domain.key import CALLING, Key, KeyRing, Permission
from proxy.domain.scope import budget_scopes, derive, parse_pattern
from proxy.domain.sub_budget import CHILD_KEY_PREFIX, Child, Limits
from proxy.domain.subject import PURSE, RUN
from proxy.gateway.identify import Caller, Identifier, split_path

SECRET = "cyc_live_0123456789"
DIGEST = hashlib.sha256(SECRET.encode()).hexdigest()
CI = Key("ci", DIGEST, {"tenant": "dev", "app": "ci"})


def identifier(
    *,
    default: Mapping[str, str] | None = None,
    accept: frozenset[str] = frozenset({"agent", "toolset", "run"}),
    trust_headers: bool = True,
    require_key: bool = False,
    key: Key = CI,
) -> Identifier:
    return Identifier(
        default={"tenant": "dev"} if default is None else default,
        accept=accept,
        trust_headers=trust_headers,
        require_key=require_key,
        keys=KeyRing([key]),
    )


def call(
    headers: Mapping[str, str], path: str = "/v1/models", rules: Identifier | None = None
) -> Caller:
    return (rules or identifier()).identify(path, tuple(headers.items()))


def refusal(
    headers: Mapping[str, str], path: str = "/v1/models", rules: Identifier | None = None
) -> Reason:
    with pytest.raises(Refused) as refused:
        call(headers, path, rules)
    return refused.value.reason


def test_the_sidecar_has_a_subject_of_its_own() -> None:
    assert derive(call({}).subject) == ("tenant:dev",)


def test_a_key_fills_empty_levels_and_never_goes_upstream() -> None:
    caller = call({"Authorization": f"Bearer {SECRET}"})
    assert derive(caller.subject) == ("tenant:dev", "tenant:dev/app:ci")
    assert caller.foreign_credential is None


def test_a_key_that_may_not_reserve_may_not_call() -> None:
    key = Key("ci", DIGEST, permissions=CALLING - {Permission.RESERVATIONS_CREATE})
    assert refusal({"x-api-key": SECRET}, rules=identifier(key=key)) is Reason.IDENTITY_MISMATCH


@pytest.mark.parametrize(
    ("agent", "admitted"), [("bot", True), ("bot2", False), (None, False)], ids=str
)
def test_a_key_spends_only_where_its_filter_lets_it(agent: str | None, admitted: bool) -> None:
    reach = (parse_pattern("tenant:dev/agent:bot/*", subtree=True),)
    rules = identifier(key=Key("ci", DIGEST, scope_filter=reach))
    headers = {"x-api-key": SECRET} | ({"X-Cycles-Agent": agent} if agent else {})
    if admitted:
        assert call(headers, rules=rules).subject.agent == agent
    else:
        assert refusal(headers, rules=rules) is Reason.IDENTITY_MISMATCH


@pytest.mark.parametrize("header", ["x-api-key", "api-key", "Api-Key"])
def test_a_key_is_known_in_every_header_that_has_one(header: str) -> None:
    caller = call({header: SECRET}, rules=identifier(require_key=True))

    assert caller.subject.app == "ci"
    assert (caller.foreign_credential, caller.foreign_azure_key) == (None, None)


def test_a_key_of_azures_is_foreign_and_told_apart_from_others() -> None:
    caller = call({"api-key": "theirs", "Authorization": "Bearer sk-theirs"})

    assert (caller.foreign_credential, caller.foreign_azure_key) == ("sk-theirs", "theirs")
    assert call({"api-key": "theirs"}).foreign_credential is None


def test_a_key_of_azures_does_not_let_anybody_in() -> None:
    rules = identifier(require_key=True)

    assert refusal({"api-key": "theirs"}, rules=rules) is Reason.IDENTITY_REQUIRED
    assert refusal({"api-key": "cyc_unknown"}) is Reason.INVALID_KEY


@pytest.mark.parametrize("prefix", ["", "/s/agent=bot"])
def test_a_deployment_in_the_path_is_noticed(prefix: str) -> None:
    caller = call({}, f"{prefix}/openai/deployments/mine/chat/completions")

    assert (caller.path, caller.deployment) == ("/v1/chat/completions", "mine")
    assert call({}, "/v1/chat/completions").deployment is None


def test_the_credential_of_somebody_else_is_handed_on_as_foreign() -> None:
    assert call({"Authorization": "Bearer sk-theirs"}).foreign_credential == "sk-theirs"


def test_headers_path_and_baggage_name_accepted_levels() -> None:
    caller = call(
        {"X-Cycles-Agent": "Bot", "baggage": "other=1,cycles.run=r%2D7;prop=x"},
        "/s/toolset=web/v1/models",
    )
    assert derive(caller.subject)[-1] == "tenant:dev/agent:bot/toolset:web"
    assert caller.subject.dimensions == {"agent": "Bot", "run": "r-7"}
    assert caller.path == "/v1/models"


def test_a_value_that_no_scope_can_have_becomes_a_digest_and_stays_as_a_dimension() -> None:
    subject = call({"X-Cycles-Agent": "bot@example.com"}).subject
    assert subject.agent is not None
    assert subject.agent.startswith("enc-")
    assert len(subject.agent) == 24
    assert subject.dimensions == {"agent": "bot@example.com"}


def test_headers_can_be_ignored() -> None:
    rules = identifier(trust_headers=False)
    headers = {"X-Cycles-Agent": "bot", "baggage": "cycles.toolset=web"}
    assert derive(call(headers, rules=rules).subject) == ("tenant:dev",)


REFUSALS = [
    ({"X-Cycles-Tenant": "acme"}, "/v1/models", Reason.IDENTITY_MISMATCH),
    ({"X-Cycles-App": "x"}, "/v1/models", Reason.IDENTITY_MISMATCH),
    ({"X-Cycles-Agent": "a"}, "/s/agent=b/v1/models", Reason.IDENTITY_MISMATCH),
    ({"baggage": "cycles.tenant=acme"}, "/v1/models", Reason.IDENTITY_MISMATCH),
    ({"X-Cycles-Agent": "a", "baggage": "cycles.agent=b"}, "/v1/x", Reason.IDENTITY_MISMATCH),
    ({"X-Cycles-Agent": " "}, "/v1/models", Reason.IDENTITY_MISMATCH),
    ({}, "/s/nonsense/v1/models", Reason.IDENTITY_MISMATCH),
    ({}, "/s/planet=mars/v1/models", Reason.IDENTITY_MISMATCH),
    ({"Authorization": "Bearer cyc_live_unknown"}, "/v1/models", Reason.INVALID_KEY),
    ({"x-api-key": "cyc_unknown"}, "/v1/models", Reason.INVALID_KEY),
]


@pytest.mark.parametrize(("headers", "path", "reason"), REFUSALS)
def test_nothing_a_call_brings_widens_what_it_may(
    headers: Mapping[str, str], path: str, reason: Reason
) -> None:
    assert refusal(headers, path) is reason


def test_a_key_that_disagrees_with_the_sidecar_is_refused() -> None:
    rules = identifier(default={"tenant": "other"})
    assert refusal({"x-api-key": SECRET}, rules=rules) is Reason.IDENTITY_MISMATCH


def test_without_tenant_there_is_nobody_to_charge() -> None:
    assert refusal({}, rules=identifier(default={})) is Reason.IDENTITY_REQUIRED


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer sk-theirs"}])
def test_a_required_key_cannot_be_left_out(headers: Mapping[str, str]) -> None:
    assert refusal(headers, rules=identifier(require_key=True)) is Reason.IDENTITY_REQUIRED


def test_levels_that_agree_in_any_case_are_one() -> None:
    assert call({"X-Cycles-Agent": "BOT"}, "/s/agent=bot/v1/models").subject.agent == "bot"


def test_a_secret_is_in_no_refusal() -> None:
    with pytest.raises(Refused) as refused:
        call({"Authorization": "Bearer cyc_live_oops"})
    assert "oops" not in str(refused.value)


@given(st.text(min_size=1).filter(str.strip))
def test_any_agent_name_ends_under_the_tenant(name: str) -> None:
    scopes = derive(call({"X-Cycles-Agent": name}).subject)
    assert scopes[0] == "tenant:dev"
    assert scopes[-1].startswith("tenant:dev/agent:")
    assert "/" not in scopes[-1].removeprefix("tenant:dev/agent:")


def test_a_path_without_prefix_stays_as_it_is() -> None:
    assert split_path("/v1/chat/completions") == ((), "/v1/chat/completions")


GUARD = Guard(frozenset({"localhost", "::1"}), frozenset({"https://ok.example"}))


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:7676", "[::1]:7676", "localhost:1"])
def test_known_hosts_may_knock(host: str) -> None:
    GUARD.check(host, None)


@pytest.mark.parametrize("host", [None, "", "evil.example", "localhost.evil.example", "[::2]"])
def test_a_foreign_host_is_refused(host: str | None) -> None:
    with pytest.raises(Refused) as refused:
        GUARD.check(host, None)
    assert refused.value.reason is Reason.HOST_NOT_ALLOWED


def test_a_web_page_must_be_listed() -> None:
    GUARD.check("localhost", "https://OK.example")
    with pytest.raises(Refused) as refused:
        GUARD.check("localhost", "https://evil.example")
    assert refused.value.reason is Reason.ORIGIN_NOT_ALLOWED


CHILD_SECRET = f"{CHILD_KEY_PREFIX}rsv_1_{'a' * 64}"
PURSE_SCOPE = "tenant:dev/agent:enc-jo/run:7/purse:rsv_1"
CHILD = Child(
    key=Key("rsv_1", "", {"tenant": "dev", "agent": "enc-jo"}),
    dimensions={PURSE: PURSE_SCOPE, RUN: "7"},
    limits=Limits(models=(("gpt-*",),)),
    expires_at_ms=1,
    depth=1,
)


class Children:
    """Knows one child, unless the ledger is away."""

    def __init__(self, child: Child = CHILD, *, is_away: bool = False) -> None:
        self._child = child
        self._is_away = is_away

    async def find(self, secret: str) -> Child | None:
        if self._is_away:
            raise LedgerUnavailable
        return self._child if secret == CHILD_SECRET else None


async def of_child(
    headers: Mapping[str, str], children: Children | None = None, **rules: bool
) -> Caller:
    identifying = Identifier(
        default={"tenant": "dev"},
        accept=frozenset({"agent", "toolset", "run"}),
        trust_headers=True,
        require_key=rules.get("require_key", False),
        keys=KeyRing([CI]),
        children=children or Children(),
    )
    return await identifying.admit("/v1/models", tuple(headers.items()))


async def refusal_of_child(headers: Mapping[str, str], children: Children | None = None) -> Reason:
    with pytest.raises(Refused) as refused:
        await of_child(headers, children)
    return refused.value.reason


@pytest.mark.parametrize("header", ["Authorization", "X-Api-Key", "Api-Key"])
async def test_the_key_of_a_sub_budget_says_who_spends_and_from_which_purse(header: str) -> None:
    secret = f"bearer {CHILD_SECRET}" if header == "Authorization" else CHILD_SECRET
    caller = await of_child({header: secret, "X-Cycles-Toolset": "web"}, require_key=True)
    assert caller.foreign_credential is None
    assert caller.limits == CHILD.limits
    assert budget_scopes(caller.subject) == (
        PURSE_SCOPE,
        "tenant:dev/agent:enc-jo/toolset:web",
        "tenant:dev/agent:enc-jo/toolset:web/run:7",
    )


async def test_who_has_no_such_key_is_who_they_are() -> None:
    caller = await of_child({"X-Note": CHILD_KEY_PREFIX, "Authorization": f"Bearer {SECRET}"})
    assert caller == call({"Authorization": f"Bearer {SECRET}"})
    assert await of_child({}) == call({})
    assert (await of_child({})).limits == Limits()


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        ({"X-Cycles-Agent": "bot"}, Reason.IDENTITY_MISMATCH),
        ({"X-Cycles-Run": "8"}, Reason.IDENTITY_MISMATCH),
        ({"X-Api-Key": SECRET}, Reason.IDENTITY_MISMATCH),
        ({"X-Api-Key": f"{CHILD_SECRET}0"}, Reason.IDENTITY_MISMATCH),
        ({"X-Cycles-Tenant": "dev"}, Reason.IDENTITY_MISMATCH),
    ],
    ids=str,
)
async def test_a_child_is_nobody_else(claim: Mapping[str, str], reason: Reason) -> None:
    headers = {"Authorization": f"Bearer {CHILD_SECRET}", **claim}
    assert await refusal_of_child(headers) is reason


async def test_a_key_of_a_sub_budget_that_has_ended_is_not_known() -> None:
    ended = {"Authorization": f"Bearer {CHILD_SECRET[:-1]}"}
    assert await refusal_of_child(ended) is Reason.INVALID_KEY


async def test_nobody_is_let_by_while_the_ledger_cannot_say_whose_key_it_is() -> None:
    headers = {"Authorization": f"Bearer {CHILD_SECRET}"}
    away = Children(is_away=True)
    assert await refusal_of_child(headers, away) is Reason.AUTHORITY_UNAVAILABLE


async def test_a_child_is_stopped_with_the_budget_that_it_comes_from() -> None:
    stopped = replace(CHILD, stopped=(Reason.BUDGET_FROZEN, "Budget is frozen."))
    headers = {"Authorization": f"Bearer {CHILD_SECRET}"}
    assert await refusal_of_child(headers, Children(stopped)) is Reason.BUDGET_FROZEN
