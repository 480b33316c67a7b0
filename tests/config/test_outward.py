"""The way to an upstream, as it is written: keys, files, proxies, deployments."""

from pathlib import Path

import pytest

from proxy.config.checks import warnings
from proxy.config.findings import spell
from tests.config.writing import problems, read, refused
from tests.gateway.upstream.certificates import Authority

SECRET = "s3cret-mark"


def upstream(rest: str, base_url: str = "https://a/v1") -> str:
    return f"upstreams: [{{name: a, base_url: '{base_url}', {rest}}}]"


def warned(text: str) -> list[tuple[str, str]]:
    """What somebody should read about the upstreams of these lines."""
    found = ((spell(finding.path), finding.problem) for finding in warnings(read(text)))
    return [each for each in found if each[0].startswith("upstreams")]


@pytest.mark.parametrize(
    ("keys", "path", "problem"),
    [
        ("api: openai", "api_key", "missing, and there is no other key either"),
        ("api_key: x, api_key_file: y", "api_key_file", "beside api_key: the key comes from one"),
        ("api_key_file: x, api_key_command: [y]", "api_key_command", "beside api_key_file: the"),
        ("api_key: x, api_key_ttl_ms: 5000", "api_key_ttl_ms", "without effect: there is no"),
        ("api_key_command: []", "api_key_command", "empty"),
        ("api_key_command: vault read key", "api_key_command", "text that cannot be read as such"),
        ("api_key_command: [x], api_key_ttl_ms: 1", "api_key_ttl_ms", "out of range"),
        ("api_key: x, deployments: {a: b}", "deployments", "without effect: it is for api: azure"),
        ("api_key: x, api_version: '1'", "api_version", "without effect: it is for api: azure"),
        ("api_key: x, api: azure, deployments: {a/b: c}", "deployments.a/b", "not written as it"),
        ("api_key: x, api: azure, deployments: {a: 'b*'}", "deployments.a", "not written as it"),
        ("api_key: x, api: azure, api_version: 'a&b'", "api_version", "not written as it must be"),
        ("api_key: x, client_key_file: k", "client_key_file", "without effect: client_cert_file"),
        ("api_key: x, max_connections: 0", "max_connections", "out of range"),
        ("api_key: x, api: anthropic, websockets: true", "websockets", "not spoken there"),
    ],
)
def test_what_does_not_fit_together_is_refused(keys: str, path: str, problem: str) -> None:
    ((found, why),) = problems(upstream(keys))

    assert found.replace('["', ".").replace('"]', "") == f"upstreams[0].{path}"
    assert why.startswith(problem)


@pytest.mark.parametrize(
    ("api", "base_url", "takes"),
    [
        ("openai", "https://a/v1", True),
        ("azure", "https://a/openai/v1", True),
        ("azure", "https://a/openai", False),
    ],
)
def test_websockets_are_for_the_apis_that_have_them(api: str, base_url: str, takes: bool) -> None:
    text = upstream(f"api_key: x, api: {api}, websockets: true", base_url)
    if takes:
        assert read(text).upstreams[0].websockets
    else:
        assert [path for path, _ in problems(text)] == ["upstreams[0].websockets"]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (f"https://me:{SECRET}@proxy:3128", "not an http:// address"),
        (f"socks5://me:{SECRET}@proxy", "not an http:// address"),
        (f"http://me:{SECRET}@proxy:0", "not an http:// address"),
        (f"http://me:{SECRET}@", "not an http:// address"),
        (f"http://me:{SECRET} @proxy", "not an http:// address"),
        (f"http://me:{SECRET}@proxy/path", "more than a host and a port"),
        (f"http://proxy?{SECRET}", "more than a host and a port"),
        (f"http://me:{SECRET}%0d%0a@proxy", "characters in its user or password"),
    ],
)
def test_a_proxy_is_a_host_and_a_port_and_its_secret_is_not_repeated(
    url: str, problem: str
) -> None:
    (finding,) = refused(upstream(f'api_key: x, http_proxy: "{url}"'))

    assert spell(finding.path) == "upstreams[0].http_proxy"
    assert finding.problem.startswith(problem)
    assert SECRET not in str(finding)


def test_the_secret_of_a_proxy_is_in_no_repr() -> None:
    config = read(upstream(f"api_key: x, http_proxy: 'http://me:{SECRET}@proxy:3128'"))

    assert SECRET not in repr(config)


@pytest.mark.parametrize("url", ["http://127.0.0.1:7676", "http://localhost:7979"])
def test_a_proxy_that_is_ourselves_is_refused(url: str) -> None:
    ((path, problem),) = problems(upstream(f"api_key: x, http_proxy: '{url}'"))

    assert path == "upstreams[0].http_proxy"
    assert problem.endswith("itself: calls would go round in a circle")


def test_files_of_tls_are_for_tls() -> None:
    text = upstream("api_key: x, ca_file: ca.pem", base_url="http://a/v1")

    assert problems(text) == [("upstreams[0].ca_file", "without effect: base_url is not https://")]


def test_files_of_tls_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    text = upstream(f"api_key: x, ca_file: '{missing}', client_cert_file: '{tmp_path}'")

    assert problems(text) == [
        ("upstreams[0].ca_file", "no such file or directory"),
        ("upstreams[0].client_cert_file", "is a directory"),
    ]


def test_files_of_tls_that_hold_something_else_are_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    one, other = authority.issue("one"), authority.issue("other")
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    pair = f"client_cert_file: '{one.certificate}', client_key_file: '{other.key}'"

    assert problems(upstream(f"api_key: x, ca_file: '{empty}', {pair}")) == [
        ("upstreams[0].ca_file", "holds no certificates that can be read"),
        (
            "upstreams[0].client_cert_file",
            "and its key are not a pair that can be read (an encrypted key cannot)",
        ),
    ]


def test_good_files_of_tls_are_no_finding(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own = authority.issue("own")
    files = f"ca_file: '{authority.file}', client_cert_file: '{own.certificate}'"

    read(upstream(f"api_key: x, {files}, client_key_file: '{own.key}'"))


def test_a_key_file_that_is_not_there_yet_is_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "key"
    text = upstream(f"api_key_file: '{file}'")
    assert warned(text) == [
        (
            "upstreams[0].api_key_file",
            "no such file or directory: calls will be refused with 503",
        )
    ]

    file.write_text("sk-a")
    assert warned(text) == []


AZURE = "https://me.openai.azure.com/openai"


@pytest.mark.parametrize(
    ("base_url", "keys", "expected"),
    [
        (AZURE, "api: azure, api_version: '2024-10-21'", None),
        (f"{AZURE}/v1", "api: azure", None),
        (AZURE, "api: azure", ("api_version", "missing: Azure refuses calls that name none")),
        (f"{AZURE}/v1", "api: openai", ("api", "openai, at an address of Azure's")),
        ("https://a/v1", "api: openai", None),
    ],
)
def test_what_azure_would_not_be_told_is_a_warning(
    base_url: str, keys: str, expected: tuple[str, str] | None
) -> None:
    found = warned(upstream(f"api_key: x, {keys}", base_url=base_url))

    if expected is None:
        assert found == []
    else:
        ((path, problem),) = found
        assert (path, problem.startswith(expected[1])) == (f"upstreams[0].{expected[0]}", True)


ALL, CLAUDE = ("all", "['*']", "[]"), ("claude", "['claude-*']", "[]")


@pytest.mark.parametrize(
    ("upstreams", "idle"),
    [
        ([ALL, CLAUDE], [1]),
        ([CLAUDE, ALL], []),
        ([CLAUDE, ("other", "['claude-*', 'gpt-*']", "[]")], []),
        ([CLAUDE, ("gpt", "['gpt-*']", "[]"), ("both", "['gpt-4o', 'claude-*']", "[]")], [2]),
        ([("all", "['*']", "[claude]"), CLAUDE], []),
        ([("one", "['gpt-?']", "[]"), ("two", "['gpt-*']", "[]")], []),
        ([("one", "['gpt-?']", "[]"), ("two", "['gpt-?']", "[]")], [1]),
    ],
)
def test_an_upstream_that_others_leave_nothing_to_is_a_warning(
    upstreams: list[tuple[str, str, str]], idle: list[int]
) -> None:
    entries = (
        f"{{name: {name}, base_url: 'https://a/v1', api_key: x, models: {models}, "
        f"fallback: {fallback}}}"
        for name, models, fallback in upstreams
    )
    found = [path for path, _ in warned(f"upstreams: [{', '.join(entries)}]")]

    assert found == [f"upstreams[{number}].models" for number in idle]


def test_an_upstream_with_deployments_is_asked_by_their_names() -> None:
    text = (
        "upstreams: [{name: all, base_url: 'https://a/v1', api_key: x}, "
        f"{{name: azure, base_url: '{AZURE}/v1', api: azure, api_key: x, "
        "deployments: {d: gpt-4o}}]"
    )

    assert warned(text) == []
