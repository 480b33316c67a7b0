"""What must stay secret appears in no finding, wherever it was put by mistake."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.convert import ledger_place
from proxy.config.findings import ConfigError, Finding, spell
from proxy.config.load import parse
from proxy.config.reference import Entry, entries
from tests.config.writing import FILE, UPSTREAM, refused

SECRET = "sk-proj-5f4dcc3b5aa765d61d8327deb882cf99x"


@pytest.mark.parametrize("entry", list(entries()), ids=lambda entry: entry.path)
def test_a_variable_in_the_wrong_place_is_named_and_not_shown(entry: Entry) -> None:
    """Anything may be filled in anywhere: a key ends up in an amount, an address, a scope."""
    text = '"${SECRET}"'
    for number, step in enumerate(reversed(entry.path.split("."))):
        below = text if number == 0 else f"{{{text}}}"
        text = f"{step.removesuffix('[]')}: {f'[{below}]' if step.endswith('[]') else below}"

    with pytest.raises(ConfigError) as refusal:
        parse(text, file=FILE, env={"SECRET": SECRET})

    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        f"upstreams: [{{name: a, base_url: 'http://a', api_key: \"{SECRET}\\n\"}}]",
        f"upstreams: [{{name: a, base_url: 'http://a', api_key: ' {SECRET}'}}]",
        f"upstreams: [{{name: a, base_url: 'http://a', api_key:{SECRET}}}]",
        f"upstreams: [{{name: a, base_url: 'http://me:{SECRET}@a', api_key: none}}]",
        f"upstreams: [{{name: a, base_url: 'http://a?key={SECRET}', api_key: none}}]",
        f"upstreams: [{{name: '{SECRET} ', base_url: 'http://a', api_key: none}}]",
        f"ledger: {{url: 'redis://:{SECRET}@a:port'}}",
        f"ledger: {{url: 'redis://:{SECRET}@a,b'}}",
        f"ledger: {{url: 'redis://:{SECRET}#1@a'}}",
        f"ledger: {{url: 'redis+sentinel://:{SECRET}@a'}}",
        f"ledger: {{url: 'rediss://:{SECRET}@a?ssl_ca_certs=/none.pem'}}",
        f"ledger: {{url: 'postgres://:{SECRET}@a'}}",
        f"ledger: {{url: 'redis://:{SECRET}@a', durability: power}}",
        f"keys: [{{name: ci, sha256: {SECRET}}}]",
        f"{SECRET}: 1",
        f"api_key: {SECRET}",
        f'upstreams:\n  - api_key: "{SECRET}\n',
        f"upstreams:\n  - api_key: *{SECRET}",
        f"upstreams:\n  - api_key: !{SECRET} x",
        f"upstreams:\n  - api_key: [{SECRET}: x: y",
    ],
)
def test_a_secret_in_the_file_itself_is_not_shown(text: str) -> None:
    told = "\n".join(map(str, refused(text)))

    assert told
    assert SECRET not in told


def test_a_configuration_does_not_show_its_secrets() -> None:
    config = parse(UPSTREAM.replace("sk-secret", SECRET), file=FILE, env={})

    assert SECRET not in repr(config)
    assert SECRET not in str(config)


def test_the_password_of_a_store_is_not_shown() -> None:
    ledger = f"ledger: {{url: 'redis://me:{SECRET}@a:6379/1'}}"
    config = parse(UPSTREAM + ledger, file=FILE, env={})

    assert SECRET in config.ledger.url
    assert SECRET not in repr(config) + str(config) + ledger_place(config)


@given(st.text(min_size=33))
def test_a_long_key_is_never_spelled_out(key: str) -> None:
    assert spell((key,)) == "[…]"


@given(st.text(), st.text(min_size=1, alphabet="ab*[]{}:\n\"'"))
def test_a_path_is_one_line(above: str, key: str) -> None:
    path = spell((above, 3, key))

    assert path.isprintable()
    assert str(Finding((above, key), "x")).count("\n") == 0
