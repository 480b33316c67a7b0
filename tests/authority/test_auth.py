"""Keys: who asks, what for, and how far the key reaches."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from proxy.authority.operations.table import OPERATIONS, Operation
from proxy.authority.sub_budgets import operations as sub_budgets
from proxy.domain.key import CALLING, KeyRing, Permission, expand
from tests.authority.rig import DEV, KEYS, Came, Rig, key, running
from tests.docs.pages import codes, page, section, table
from tests.ledger.builders import line

Ask = Callable[[Rig, str], Awaitable[Came]]

HELD = "rsv_00000000000000000000000000000001"

GATED: dict[str, Ask] = {
    "createReservation": lambda rig, secret: rig.reserve(secret=secret),
    "decide": lambda rig, secret: rig.decide(secret=secret),
    "commitReservation": lambda rig, secret: rig.commit(HELD, 1, secret=secret),
    "releaseReservation": lambda rig, secret: rig.release(HELD, secret=secret),
    "extendReservation": lambda rig, secret: rig.extend(HELD, secret=secret),
    "listReservations": lambda rig, secret: rig.get("/v1/reservations", secret=secret),
    "getReservation": lambda rig, secret: rig.get(f"/v1/reservations/{HELD}", secret=secret),
    "getBalances": lambda rig, secret: rig.get("/v1/balances", secret=secret, tenant="dev"),
    "createEvent": lambda rig, secret: rig.event(secret=secret),
}


@pytest.mark.parametrize(
    "gated",
    [each for each in OPERATIONS if each.permission is not None],
    ids=lambda operation: operation.name,
)
async def test_an_operation_needs_its_permission_and_no_other(
    tmp_path: Path, gated: Operation
) -> None:
    """[spec] governance Permission; events have one of their own here."""
    assert gated.permission is not None
    only = key("cyc_live_only", permissions=frozenset({gated.permission}))
    others = key("cyc_live_others", permissions=frozenset(Permission) - {
        gated.permission, Permission.ADMIN_READ, Permission.ADMIN_WRITE})  # fmt: skip
    async with running(tmp_path, keys=(*KEYS, only, others)) as rig:
        await rig.held()
        refused = await GATED[gated.name](rig, "cyc_live_others")
        assert (refused.status, refused.code) == (403, "FORBIDDEN")
        assert gated.permission in refused["message"]
        assert (await GATED[gated.name](rig, "cyc_live_only")).status in (200, 201)


def test_every_operation_has_a_row_with_its_permission() -> None:
    """The first that is named; sub-budgets say what else they need."""
    served = (*OPERATIONS, *sub_budgets.OPERATIONS)
    rows = table(section(page("protocol.md"), "What is served"), "operation", "permission")
    documented = {codes(row["operation"])[0]: codes(row["permission"])[:1] for row in rows}
    assert documented == {
        each.name: [] if each.permission is None else [each.permission] for each in served
    }
    paths = {codes(row["operation"])[0]: codes(row["method and path"])[0] for row in rows}
    assert paths == {each.name: f"{each.method} {each.path}" for each in served}


def test_wildcards_are_everything_of_their_group() -> None:
    assert expand(["reservations:*"]) == CALLING
    assert expand(["balances:read", "events:*"]) == {
        Permission.BALANCES_READ,
        Permission.EVENTS_CREATE,
        Permission.EVENTS_READ,
    }


@pytest.mark.parametrize(
    ("held", "permission", "may"),
    [
        ("admin:read", "balances:read", True),
        ("admin:read", "budgets:write", False),
        ("admin:write", "budgets:write", True),
        ("admin:write", "balances:read", False),
        ("admin:write", "reservations:create", False),
    ],
)
def test_admin_stands_for_reading_or_for_writing(held: str, permission: str, may: bool) -> None:
    """[spec] governance Permission, "WILDCARD SEMANTICS"."""
    holder = key("cyc_live_a", permissions=expand([held]))
    assert holder.may(Permission(permission)) is may


def test_each_key_of_a_ring_is_found_and_nothing_else() -> None:
    ring = KeyRing(KEYS)
    assert [ring.find("cyc_live_dev"), ring.find("cyc_live_other")] == list(KEYS)
    for nobody in ("", "cyc_live_de", "cyc_live_dev ", "\udc80", KEYS[0].sha256):
        assert ring.find(nobody) is None
    assert KeyRing().find("cyc_live_dev") is None


async def test_a_tenant_that_is_left_out_is_that_of_the_key(rig: Rig) -> None:
    """[spec] "AUTH & TENANCY": the effective tenant comes from the key."""
    came = await rig.reserve(subject={"agent": "bot"})
    assert came["affected_scopes"] == ["tenant:dev", "tenant:dev/agent:bot"]
    assert came.headers["X-Cycles-Tenant"] == "dev"
    row = await rig.get(f"/v1/reservations/{came['reservation_id']}")
    assert row["subject"] == {"tenant": "dev", "agent": "bot"}


async def test_a_key_without_a_tenant_has_that_of_the_sidecar(tmp_path: Path) -> None:
    keys = (key("cyc_live_plain", None),)
    async with running(tmp_path, keys=keys, default_tenant="Dev") as rig:
        came = await rig.reserve(subject={"agent": "bot"}, secret="cyc_live_plain")
        assert came["scope_path"] == "tenant:dev/agent:bot"
    async with running(tmp_path, keys=keys) as rig:
        came = await rig.reserve(secret="cyc_live_plain")
        assert (came.status, came.code) == (401, "UNAUTHORIZED")


async def test_the_levels_of_a_key_are_filled_in_and_may_not_be_others(tmp_path: Path) -> None:
    async with running(tmp_path, keys=(*KEYS, key("cyc_live_ci", app="CI"))) as rig:
        came = await rig.reserve(subject={"agent": "bot"}, secret="cyc_live_ci")
        assert came["scope_path"] == "tenant:dev/app:ci/agent:bot"
        same = {"tenant": "dev", "app": "ci", "agent": "bot"}
        assert (await rig.reserve(subject=same, secret="cyc_live_ci")).status == 200
        other = await rig.reserve(subject={"tenant": "dev", "app": "shop"}, secret="cyc_live_ci")
        assert (other.status, other.code) == (403, "FORBIDDEN")
        elsewhere = await rig.held(subject={"tenant": "dev", "app": "shop"})
        for came in (
            await rig.get(f"/v1/reservations/{elsewhere}", secret="cyc_live_ci"),
            await rig.commit(elsewhere, secret="cyc_live_ci"),
        ):
            assert (came.status, came.code) == (403, "FORBIDDEN")
        listed = await rig.get("/v1/reservations", secret="cyc_live_ci", limit="1")
        assert len(listed["reservations"]) == 1
        seen = await rig.get("/v1/reservations", secret="cyc_live_ci")
        assert {row["subject"]["app"].lower() for row in seen["reservations"]} == {"ci"}


REACH = key("cyc_live_bot", reach=["tenant:dev/agent:bot/*"])
SCOPED = (
    line("tenant:dev", 1_000),
    line("tenant:dev/agent:bot", 500),
    line("tenant:dev/agent:x", 9),
)


@pytest.mark.parametrize("name", ["createReservation", "decide", "createEvent"])
async def test_a_key_spends_only_in_its_reach(tmp_path: Path, name: str) -> None:
    async with running(tmp_path, keys=(*KEYS, REACH), budgets=SCOPED) as rig:
        ask = {"createReservation": rig.reserve, "decide": rig.decide, "createEvent": rig.event}
        for subject, status in (
            ({"tenant": "dev", "agent": "bot"}, {200, 201}),
            ({"tenant": "dev", "agent": "bot", "toolset": "web"}, {200, 201}),
            ({"tenant": "dev", "agent": "bot2"}, {403}),
            ({"tenant": "dev"}, {403}),
        ):
            came = await ask[name](1, subject=subject, secret="cyc_live_bot")
            assert came.status in status, subject


async def test_a_key_sees_only_what_is_in_its_reach(tmp_path: Path) -> None:
    async with running(tmp_path, keys=(*KEYS, REACH), budgets=SCOPED) as rig:
        mine = await rig.held(subject={"agent": "bot"})
        for _ in range(4):
            theirs = await rig.held(1, subject={"agent": "x"})
        mine_too = await rig.held(subject={"agent": "bot", "toolset": "web"})
        secret = "cyc_live_bot"
        for settle in (rig.commit, rig.release, rig.extend):
            came = await settle(theirs, secret=secret)
            assert (came.status, came.code) == (403, "FORBIDDEN")
        assert (await rig.get(f"/v1/reservations/{theirs}", secret=secret)).status == 403
        assert (await rig.get(f"/v1/reservations/{mine}", secret=secret)).status == 200

        first = await rig.get("/v1/reservations", secret=secret, limit="1")
        assert [row["reservation_id"] for row in first["reservations"]] == [mine_too]
        rest = await rig.get(
            "/v1/reservations", secret=secret, limit="1", cursor=first["next_cursor"]
        )
        assert [row["reservation_id"] for row in rest["reservations"]] == [mine]
        assert not rest["has_more"]

        seen = await rig.get("/v1/balances", secret=secret, tenant="dev")
        assert [balance["scope"] for balance in seen["balances"]] == ["tenant:dev/agent:bot"]
        came = await rig.get("/v1/balances", secret=secret, agent="x")
        assert (came.status, came.code) == (403, "FORBIDDEN")


async def test_a_key_may_ask_what_it_may(tmp_path: Path) -> None:
    """[spec] introspectAuth: its table of capabilities for tenants."""
    reader = key(
        "cyc_live_r",
        permissions=expand(["balances:read", "reservations:list", "admin:write", "budgets:read"]),
        reach=["tenant:dev/*"],
    )
    async with running(tmp_path, keys=(reader,)) as rig:
        body = (await rig.get("/v1/auth/introspect", secret="cyc_live_r")).body
    assert body["permissions"] == [
        "reservations:list", "balances:read", "budgets:read", "admin:write",
    ]  # fmt: skip
    assert (body["authenticated"], body["auth_type"], body["tenant_id"]) == (True, "tenant", "dev")
    assert body["scope_filter"] == ["tenant:dev/*"]
    allowed = {name for name, is_true in body["capabilities"].items() if is_true}
    assert allowed == {
        "view_budgets", "view_reservations", "manage_budgets", "manage_policies",
        "manage_webhooks", "manage_reservations",
    }  # fmt: skip
    assert body["capabilities"]["view_tenants"] is False


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Host": "evil.example"}, 403), ({"Origin": "https://evil.example"}, 403), ({}, 200)],
    ids=["host", "origin", "neither"],
)
async def test_a_page_in_a_browser_may_not_ask(
    rig: Rig, headers: dict[str, str], status: int
) -> None:
    came = await rig.reserve(headers=headers)
    assert came.status == status
    assert (await rig.ask("GET", "/healthz", secret=None, headers=headers)).status == 200


async def test_no_secret_is_written_down(rig: Rig) -> None:
    secret = "cyc_live_" + "s" * 40
    came = await rig.get("/v1/reservations", secret=secret)
    await rig.get("/v1/reservations", secret=DEV)
    assert secret not in str(came.body)
    assert secret not in str(rig.log.written)
    assert DEV not in str(rig.log.written)
