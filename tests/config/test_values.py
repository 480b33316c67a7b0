"""How single values are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.money import INT64_MAX, Unit, parse_usd, usd, written
from tests.config.writing import problems, read

HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def budget(allocated: str) -> str:
    return f"budgets: [{{scope: 'tenant:dev', allocated: {allocated}}}]"


@pytest.mark.parametrize(
    ("text", "microcents"),
    [
        ("$1.00", 100_000_000),
        ("$0.00000001", 1),
        ("$0", 0),
        ("'1.00 USD'", 100_000_000),
        ("1USD", 100_000_000),
        ("'$1,234,567.89'", 123_456_789_000_000),
        ("$1_000", 100_000_000_000),
        ("1000000", 1_000_000),
        ("5_000_000_000", 5_000_000_000),
        ("$92233720368.54775807", INT64_MAX),
    ],
)
def test_money_is_read_exactly(text: str, microcents: int) -> None:
    assert read(budget(text)).budgets[0].allocated == microcents


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("10", 'a bare number below one cent: write "$10.00"'),
        ("999999", 'a bare number below one cent: write "$999,999.00"'),
        ("0", 'a bare number below one cent: write "$0.00"'),
        ("10.5", 'a number without a unit: write "$10.50"'),
        ("-1", "negative"),
        ("-$1.00", "negative"),
        ("true", "true and false are not accepted here (text needs quotes)"),
        ("null", 'not an amount of money: write "$10.00"'),
        ("[1]", 'not an amount of money: write "$10.00"'),
        (".nan", 'not an amount of money: write "$10.00"'),
        ("'$1,50'", '\'$1,50\' is not an amount of money: write "$10.00" or "10.00 USD"'),
        ("€5", '\'€5\' is not an amount of money: write "$10.00" or "10.00 USD"'),
        ("'1.00'", '\'1.00\' is not an amount of money: write "$10.00" or "10.00 USD"'),
        ("$1e3", '\'$1e3\' is not an amount of money: write "$10.00" or "10.00 USD"'),
        ("$0.000000001", "'$0.000000001' is finer than a microcent, $0.00000001"),
        (
            "$92233720368.54775808",
            "'$92233720368.54775808' is beyond the largest amount, $92,233,720,368.54",
        ),
    ],
)
def test_money_that_may_be_meant_otherwise_is_refused(text: str, problem: str) -> None:
    """LiteLLM #20615: a typo in a unit is a budget a million times too small or too large."""
    assert problems(budget(text)) == [("budgets[0].allocated", problem)]


@given(st.integers(min_value=0, max_value=INT64_MAX))
def test_money_as_we_write_it_is_money_as_we_read_it(microcents: int) -> None:
    assert parse_usd(f"${usd(microcents)}") == microcents
    assert parse_usd(f"{usd(microcents)} USD") == microcents
    assert parse_usd(f"-{written(microcents, Unit.USD_MICROCENTS)}") == -microcents


@given(st.integers(min_value=1, max_value=10**12), st.integers(min_value=1, max_value=60))
def test_no_digit_below_a_microcent_is_dropped(dollars: int, zeros: int) -> None:
    with pytest.raises(ValueError, match="finer than a microcent"):
        parse_usd(f"${dollars}.00000000{'0' * zeros}1")


@pytest.mark.parametrize(
    ("line", "path", "problem"),
    [
        (
            "scope: 'tenant:d v'",
            "scope",
            "'d v' in 'tenant:d v' has characters outside [A-Za-z0-9_.-]",
        ),
        (
            "scope: 'tenant:dev/*'",
            "scope",
            "'*' in 'tenant:dev/*' is not level:value; "
            "levels: tenant, workspace, app, workflow, agent, toolset",
        ),
        (
            "scope: 'tenant:dev/**'",
            "scope",
            "'tenant:dev/**': ** stands between two levels",
        ),
        (
            "scope: 'tenant:dev/agent:bot-*'",
            "scope",
            "'tenant:dev/agent:bot-*': a wildcard stands only as a whole value",
        ),
        (
            "scope: 'tenant:dev/run:7'",
            "scope",
            "'run:7' in 'tenant:dev/run:7' is not level:value; "
            "levels: tenant, workspace, app, workflow, agent, toolset",
        ),
        (
            "scope: 'agent:bot/tenant:dev'",
            "scope",
            "'tenant' in 'agent:bot/tenant:dev' is out of order; "
            "the order is tenant, workspace, app, workflow, agent, toolset",
        ),
        ("scope: 7", "scope", "not text"),
        ("scope: ~", "scope", "not text"),
        ("scope: 'tenant:dev', period: ~", "period", "not one of the accepted values"),
    ],
)
def test_a_scope_that_no_call_can_have_is_refused(line: str, path: str, problem: str) -> None:
    assert problems(f"budgets: [{{allocated: $1, {line}}}]") == [(f"budgets[0].{path}", problem)]


def test_scopes_are_lower_case() -> None:
    config = read("budgets: [{scope: 'tenant:DEV/agent:*', allocated: $1}]")

    assert config.budgets[0].scope.text == "tenant:dev/agent:*"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("127.0.0.1:7676", "127.0.0.1:7676"),
        ("localhost:0", "localhost:0"),
        ("[::1]:7676", "[::1]:7676"),
        ("0.0.0.0:65535", "0.0.0.0:65535"),
    ],
)
def test_addresses_are_host_and_port(address: str, shown: str) -> None:
    assert str(read(f"listen: {{proxy: '{address}'}}").listen.proxy) == shown


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("7676", "not host:port"),
        ("':7676'", "not host:port"),
        ("localhost", "not host:port"),
        ("'::1:7676'", "not host:port"),
        ("'[::1:7676'", "not host:port"),
        ("'::1]:7676'", "not host:port"),
        ("'localhost:http'", "the port is not a number from 0 to 65,535"),
        ("'localhost:65536'", "the port is not a number from 0 to 65,535"),
        ("'localhost:-1'", "the port is not a number from 0 to 65,535"),
        ("'localhost:²'", "the port is not a number from 0 to 65,535"),
    ],
)
def test_an_address_without_host_or_port_is_refused(address: str, problem: str) -> None:
    assert problems(f"listen: {{proxy: {address}}}") == [("listen.proxy", problem)]


def test_hosts_and_origins_are_lower_case_and_bare() -> None:
    listen = read(
        "listen: {allowed_hosts: [LocalHost, '[::1]', my_host], allowed_origins: ['HTTPS://App.example:8443']}"
    ).listen

    assert listen.allowed_hosts == ("localhost", "::1", "my_host")
    assert listen.allowed_origins == ("https://app.example:8443",)


@pytest.mark.parametrize(
    "host",
    ["*", "", "localhost:7676", "http://localhost", "a b", "ü", "[::1", "::1]", ":::", "ab:cd"],
)
def test_a_host_with_more_than_a_name_is_refused(host: str) -> None:
    """`*` would switch the guard against rebinding off."""
    assert problems(f"listen: {{allowed_hosts: ['{host}']}}") == [
        ("listen.allowed_hosts[0]", "not a host name or an address (without a port)")
    ]


@pytest.mark.parametrize(
    "origin", ["*", "null", "app.example", "https://a/b", "file://x", "https://"]
)
def test_an_origin_is_scheme_and_host(origin: str) -> None:
    assert problems(f"listen: {{allowed_origins: ['{origin}']}}") == [
        ("listen.allowed_origins[0]", "not an origin")
    ]


def upstream(line: str) -> str:
    given = {"name": "a", "base_url": "http://x/v1", "api_key": "none"}
    key, _, value = line.partition(": ")
    given[key] = value
    return f"upstreams: [{{{', '.join(f'{k}: {v}' for k, v in given.items())}}}]"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://x", "not an http:// or https:// address"),
        ("x.example/v1", "not an http:// or https:// address"),
        ("https://", "not an http:// or https:// address"),
        ("https://x:99999/v1", "not an http:// or https:// address"),
        ("http://x:0/v1", "not an http:// or https:// address"),
        ("'https://x y/'", "not an http:// or https:// address"),
        ("https://me:pw@x/v1", "a user or password in the address: use api_key"),
        ("'https://x/v1?key=1'", "a query or fragment, which a base address cannot have"),
        ("'https://x/v1#a'", "a query or fragment, which a base address cannot have"),
    ],
)
def test_a_base_address_that_cannot_be_one_is_refused(url: str, problem: str) -> None:
    assert problems(upstream(f"base_url: {url}")) == [("upstreams[0].base_url", problem)]


@pytest.mark.parametrize(
    ("line", "path", "problem"),
    [
        ("name: 'a b'", "name", "not written as it must be"),
        ("api: gemini", "api", '"gemini" is not supported in this version'),
        ("api: grpc", "api", "not one of the accepted values"),
        ("models: []", "models", "empty"),
        ("price_multiplier: 0", "price_multiplier", "out of range"),
        ("price_multiplier: .inf", "price_multiplier", "not a finite number"),
        ("price_multiplier: x", "price_multiplier", "text that cannot be read as such"),
        ("connect_timeout_ms: 1.5", "connect_timeout_ms", "not a whole number"),
        (
            "connect_timeout_ms: true",
            "connect_timeout_ms",
            "true and false are not accepted here (text needs quotes)",
        ),
        ("connect_timeout_ms: ~", "connect_timeout_ms", "no value"),
        ("connect_timeout_ms: {}", "connect_timeout_ms", "a map"),
        ("connect_timeout_ms: []", "connect_timeout_ms", "a list"),
        ("api_key: 12", "api_key", "not text: put it in quotes"),
        (
            'api_key: "sk-a\\n"',
            "api_key",
            "blanks, line ends or other characters that no HTTP header can carry",
        ),
    ],
)
def test_an_upstream_that_cannot_be_called_is_refused(line: str, path: str, problem: str) -> None:
    assert problems(upstream(line)) == [(f"upstreams[0].{path}", problem)]


def test_numbers_may_come_from_the_environment() -> None:
    text = "limits: {max_connections: '${N}'}\nidentity: {require_key: '${B:-true}'}"

    config = read(text, {"N": "17"})

    assert (config.limits.max_connections, config.identity.require_key) == (17, True)


def test_a_multiplier_is_exact() -> None:
    (configured,) = read(upstream("price_multiplier: 0.1")).upstreams

    assert str(configured.price_multiplier) == "0.1"


@pytest.mark.parametrize("sha256", ["", "abc", HASH + "0", HASH[:-1] + "g", "sk-live-secret"])
def test_a_key_is_known_by_a_whole_hash(sha256: str) -> None:
    assert problems(f"keys: [{{name: ci, sha256: '{sha256}'}}]") == [
        ("keys[0].sha256", "not written as it must be")
    ]


def test_a_hash_is_lower_case() -> None:
    config = read(f"keys: [{{name: ci, sha256: {HASH.upper()}}}]")

    assert config.keys[0].sha256 == HASH
