"""A file and an environment in, a Config out; or every finding at once."""

from pathlib import Path

import pytest

from proxy.config.findings import ConfigError, spell
from proxy.config.load import default_config, load, parse
from proxy.config.sections.upstreams import KeyMode
from proxy.domain.scope import ScopePattern
from tests.config.writing import FILE, UPSTREAM, problems, read, refused


def write(folder: Path, text: str) -> Path:
    path = folder / "spendgate.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_with_only_an_upstream_has_defaults_for_the_rest(tmp_path: Path) -> None:
    config = load(write(tmp_path, UPSTREAM), {})

    assert str(config.listen.proxy) == "127.0.0.1:7676"
    assert config.listen.allowed_hosts == ("localhost", "127.0.0.1", "::1")
    assert config.limits.max_body_bytes == 52_428_800
    assert config.settle.uncertain_after_ms == 900_000
    assert config.identity.accept == ("agent", "toolset", "run")
    assert config.budgets == ()


def test_an_empty_file_lacks_an_upstream(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refusal:
        load(write(tmp_path, "# nothing yet\n"), {})

    assert [(spell(f.path), f.problem) for f in refusal.value.findings] == [
        ("upstreams", "missing")
    ]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml: No such file"):
        load(tmp_path / "absent.yaml", {})


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"limits: {\xe9: 1}")

    with pytest.raises(ConfigError, match="not UTF-8 text, at byte 9"):
        load(path, {})


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "windows.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + UPSTREAM.strip().encode())

    assert load(path, {}).upstreams[0].name == "openai"


def test_every_finding_is_told_at_once_in_the_order_of_the_file() -> None:
    findings = refused("""\
listn: {}
budgets:
  - {scope: "tenant:dev", allocated: 10}
  - {scope: "tenant:dev/agent:*", allocted: $1.00}
ledger: {when_unavailable: ask}
settle: {drain_ms: -1}
""")

    assert [str(finding).partition(" (")[0] for finding in findings] == [
        f'{FILE}:1: listn: unknown key; did you mean "listen"?',
        f'{FILE}:3: budgets[0].allocated: a bare number below one cent: write "$10.00"',
        f"{FILE}:4: budgets[1].allocated: missing",
        f'{FILE}:4: budgets[1].allocted: unknown key; did you mean "allocated"?',
        f"{FILE}:5: ledger.when_unavailable: not one of the accepted values",
        f"{FILE}:6: settle.drain_ms: out of range",
    ]


def test_a_value_that_could_not_be_read_is_told_once() -> None:
    """Not once more as missing, or as of the wrong kind."""
    text = """
limits: {max_connections: "${ABSENT}", max_headers: !big 3}
listen: {proxy: "${", proxy: 1}
"""
    assert problems(text) == [
        ("limits.max_connections", "the environment variable ABSENT is not set"),
        ("limits.max_headers", "a tag (!name), which is not accepted"),
        ("listen.proxy", '"${" without a name'),
        ("listen.proxy", "written twice, first in line 3"),
    ]


def test_a_value_that_could_not_be_read_hides_no_other_finding() -> None:
    text = "limits: {max_connections: '${ABSENT}', max_headers: 1}\ntemplates_max: 0"

    assert [path for path, _ in problems(text)] == [
        "limits.max_connections",
        "limits.max_headers",
        "templates_max",
    ]


def test_a_finding_says_what_is_accepted() -> None:
    (finding,) = refused("settle: {on_disconnect: drop}")

    assert str(finding) == (
        f"{FILE}:1: settle.on_disconnect: not one of the accepted values (accepted: abort or drain)"
    )


def test_an_upstream_that_is_the_proxy_itself_is_refused() -> None:
    """A call would go round in a circle, and hold money on each round."""
    upstream = "upstreams: [{name: me, base_url: 'http://localhost:7676/v1', api_key: none}]"

    assert problems(upstream) == [
        ("upstreams[0].base_url", "is listen.proxy itself: calls would go round in a circle")
    ]


@pytest.mark.parametrize(
    ("listen", "base_url", "loops"),
    [
        ("127.0.0.1:7676", "http://127.0.0.1:7676/v1", True),
        ("127.0.0.1:7676", "http://[::1]:7676/v1", True),
        ("0.0.0.0:7676", "http://127.8.8.8:7676/v1", True),
        ("10.0.0.7:7676", "http://10.0.0.7:7676", True),
        ("127.0.0.1:80", "http://localhost/v1", True),
        ("127.0.0.1:443", "https://localhost/v1", True),
        ("127.0.0.1:7676", "http://127.0.0.1:7677/v1", False),
        ("127.0.0.1:7676", "http://gateway.example:7676/v1", False),
        ("10.0.0.7:7676", "http://10.0.0.8:7676", False),
    ],
)
def test_a_loop_is_told_by_host_and_port(listen: str, base_url: str, loops: bool) -> None:
    text = f"""
listen: {{proxy: "{listen}"}}
upstreams: [{{name: x, base_url: "{base_url}", api_key: none}}]
"""
    if loops:
        assert [path for path, _ in problems(text)] == ["upstreams[0].base_url"]
    else:
        assert read(text).upstreams[0].base_url == base_url


def test_both_listeners_cannot_have_one_address() -> None:
    text = "listen: {proxy: '127.0.0.1:7979'}"

    assert problems(text) == [("listen.admin", "the same address as listen.proxy")]
    assert read("listen: {proxy: '127.0.0.1:0', admin: '127.0.0.1:0'}").listen.proxy.port == 0


def test_two_texts_that_say_the_same_are_the_same_configuration() -> None:
    """A reload must be able to tell that nothing changed."""
    shifted = f"# a comment\n\n{UPSTREAM}"

    assert parse(UPSTREAM, file="a", env={}) == parse(shifted, file="b", env={})


class TestServeWithoutFile:
    def test_the_budget_is_one_tenants_for_a_month(self) -> None:
        config = default_config("5.00", {"OPENAI_API_KEY": "sk-1"})

        (budget,) = config.budgets
        assert budget.scope == ScopePattern("tenant:dev")
        assert (budget.allocated, budget.period) == (500_000_000, "month")
        assert config.identity.default.given() == {"tenant": "dev"}
        assert config.upstreams[0].base_url == "https://api.openai.com/v1"
        key = config.upstreams[0].api_key
        assert key is not None
        assert key.get_secret_value() == "sk-1"

    def test_the_upstream_may_come_from_the_environment(self) -> None:
        env = {"UPSTREAM_BASE_URL": "http://127.0.0.1:9100/v1/", "OPENAI_API_KEY": "none"}

        (upstream,) = default_config("$0.01", env).upstreams

        assert upstream.base_url == "http://127.0.0.1:9100/v1"
        assert upstream.key_mode is KeyMode.NONE

    def test_without_a_key_it_starts_and_has_none(self) -> None:
        assert default_config("5", {}).upstreams[0].key_mode is KeyMode.MISSING

    @pytest.mark.parametrize("budget", ["", "five", "5,00", "-1", "NaN", "1e3", "0.000000001"])
    def test_a_budget_that_is_no_amount_is_refused(self, budget: str) -> None:
        with pytest.raises(ConfigError) as refusal:
            default_config(budget, {})

        message = "--budget is not an amount of US dollars (accepted: 5.00)"
        assert str(refusal.value) == message

    def test_a_bad_address_names_the_variable_and_not_its_value(self) -> None:
        with pytest.raises(ConfigError) as refusal:
            default_config("5.00", {"UPSTREAM_BASE_URL": "ftp://hunter2"})

        assert "${UPSTREAM_BASE_URL}" in str(refusal.value)
        assert "hunter2" not in str(refusal.value)
