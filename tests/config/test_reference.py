"""The reference says everything, and says what the code says."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest
import yaml
from pydantic import TypeAdapter

from proxy.config.checks import warnings
from proxy.config.describe import accepted, kind_at
from proxy.config.load import load
from proxy.config.model import Config
from proxy.config.reference import PAGE, SCHEMA, Entry, entries, page, schema, write
from proxy.config.source import read_document
from tests.config.writing import read

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config.example.yaml"
ENTRIES = list(entries())
KEYS = [entry for entry in ENTRIES if entry.kind.section is None]
NUMBERS = [entry for entry in KEYS if entry.kind.is_number]

UNITS = ("_ms", "_bytes", "_tokens", "_pct", "_per_mtok", "_per_mchar", "_per_hour")
COUNTS = {
    "max_attempts",
    "max_connections",
    "max_headers",
    "max_length",
    "max_steps_remaining",
    "max_calls_per_run",
    "risk_points",
    "n",
    "templates_max",
    "answers_min",
}
"""Numbers of things; their names say which."""
WITHOUT_UNIT = {
    "priority",
    "config_version",
    "price_multiplier",
    "deny_status",
    "gt",
    "gte",
    "lt",
    "lte",
    "context_window",
}
"""Orders, factors, codes; and a window that the whole trade gives in tokens."""

every_key = pytest.mark.parametrize("entry", KEYS, ids=lambda entry: entry.path)


def test_the_page_is_what_the_code_says() -> None:
    assert (ROOT / PAGE).read_text(encoding="utf-8") == page(), "run `make docs`"


def test_the_schema_is_what_the_code_says() -> None:
    assert (ROOT / SCHEMA).read_text(encoding="utf-8") == schema(), "run `make docs`"


def test_writing_writes_both_files(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()

    write(tmp_path)

    assert (tmp_path / PAGE).read_text(encoding="utf-8") == page()
    assert (tmp_path / SCHEMA).read_text(encoding="utf-8") == schema()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.path)
def test_every_key_is_documented(entry: Entry) -> None:
    assert entry.text.endswith("."), "a sentence under the field, or the section's docstring"


@pytest.mark.parametrize("entry", NUMBERS, ids=lambda entry: entry.path)
def test_every_number_has_both_bounds_and_says_what_it_counts(entry: Entry) -> None:
    words = accepted(entry.kind).split()
    assert "from" in words or "above" in words
    assert "up" in words
    assert entry.name.endswith(UNITS) or entry.name in COUNTS | WITHOUT_UNIT


@every_key
def test_every_example_is_accepted(entry: Entry) -> None:
    document = read_document(f"{entry.name}: {entry.example}", file="example", env={})

    assert isinstance(document.value, dict)
    (value,) = document.value.values()
    assert value is not None, f"{entry.path} needs an example"
    TypeAdapter(entry.field.rebuild_annotation()).validate_python(value)


@every_key
def test_every_default_that_is_written_is_accepted(entry: Entry) -> None:
    if entry.default is None:
        assert entry.field.is_required()
        return
    document = read_document(f"{entry.name}: {entry.default}", file="default", env={})

    assert isinstance(document.value, dict)
    (value,) = document.value.values()
    adapter = TypeAdapter(entry.field.rebuild_annotation())
    default = entry.field.get_default(call_default_factory=True)
    if entry.field.validate_default:
        default = adapter.validate_python(default)
    assert adapter.validate_python(value) == default


def test_the_page_has_a_heading_for_every_key() -> None:
    told = {line.strip("#` ") for line in page().splitlines() if line.startswith("##")}
    repeated = (
        "keys[].subject.",
        "policies[].caps.",
        "policies[].when.",
        "policies[].bands[].when.reserved_pct.",
        "policies[].bands[].when.window_elapsed_pct.",
    )

    assert {entry.path for entry in ENTRIES} - told == {
        entry.path for entry in ENTRIES if entry.path.startswith(repeated)
    }


def test_the_example_loads_as_it_is_and_raises_no_warning() -> None:
    config = load(EXAMPLE, {"OPENAI_API_KEY": "sk-test"})

    assert warnings(config) == []
    assert config.identity.default.tenant == "dev"
    assert [budget.pattern.text for budget in config.budgets] == [
        "tenant:dev",
        "tenant:dev/agent:*",
    ]


@every_key
def test_the_example_names_every_key(entry: Entry) -> None:
    """As a setting, or commented out."""
    text = EXAMPLE.read_text(encoding="utf-8")

    assert f"{entry.name}:" in text or f"also {entry.name}" in text or f", {entry.name}" in text


def commented_lists(text: str) -> Iterator[tuple[str, str]]:
    """Lists that are commented out, each with the section it stands in."""
    section, block = "", ""
    for line in [*text.splitlines(), ""]:
        comment = re.match(r" *# ((?:- | {2})\S.*)", line)
        if comment and (block or comment[1].startswith("- ")):
            block += f"{comment[1]}\n"
            continue
        if block:
            yield section, block
        block = ""
        if top := re.match(r"([a-z_]+):", line):
            section = top[1]


def test_what_is_commented_out_in_the_example_loads_too() -> None:
    """Whoever takes the comment signs away gets what the comments promise."""
    lists = dict(commented_lists(EXAMPLE.read_text(encoding="utf-8")))

    assert lists.keys() == {"upstreams", "keys", "budgets", "policies", "tools", "pricing"}
    for section, text in lists.items():
        entries_of = json.dumps(yaml.safe_load(text))
        value = f"{{overrides: {entries_of}}}" if section == "pricing" else entries_of
        config = read(f"{section}: {value}")
        assert getattr(config, section) != getattr(read(""), section)


def test_the_example_has_every_section() -> None:
    assert set(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))) == set(Config.model_fields)


def test_the_schema_accepts_the_example() -> None:
    document = read_document(EXAMPLE.read_text(encoding="utf-8"), file="", env={})

    jsonschema.validate(document.value, json.loads(schema()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("listn: {}", "'listn' was unexpected"),
        ("upstreams: [{name: a}]", "'base_url' is a required property"),
        ("budgets: [{scope: 'tenant:a', allocated: 5}]", "5 is less than the minimum"),
        (
            "budgets: [{scope: 'tenant:a', allocated: $5, unit: TOKENS}]",
            "'\\$5' is not of type 'integer'",
        ),
        ("budgets: [{scope: 'tenant:a', allocated: $5, rolling: 1w}]", "'1w' does not match"),
        ("settle: {on_disconnect: drop}", "'drop' is not one of"),
        ("limits: {max_connections: 0}", "0 is less than the minimum"),
    ],
)
def test_the_schema_refuses_what_the_proxy_refuses(text: str, message: str) -> None:
    upstream = "" if "upstreams" in text else "\nupstreams: [{name: a, base_url: b, api_key: c}]"
    document = read_document(text + upstream, file="", env={})

    with pytest.raises(jsonschema.ValidationError, match=message):
        jsonschema.validate(document.value, json.loads(schema()))


def test_a_schema_default_is_one_that_the_schema_accepts() -> None:
    generated = json.loads(schema())
    jsonschema.Draft202012Validator.check_schema(generated)
    for name, definition in generated["$defs"].items():
        for key, value in definition["properties"].items():
            if "default" in value:
                accepted = {**value, "$defs": generated["$defs"]}
                jsonschema.Draft202012Validator(accepted).validate(value["default"])
            assert "title" not in value, f"{name}.{key}"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("limits", "max_body_bytes"), "a whole number from 1,024 up to 1,073,741,824"),
        (("upstreams", 0, "price_multiplier"), "a number above 0 up to 100"),
        (("degrade", "shorten"), "true or false"),
        (("settle", "missing_usage"), "counted or hold"),
        (("budgets", 0, "per"), "run; or null"),
        (
            ("listen",),
            "a map with any of the keys proxy, authority, admin, allowed_hosts, allowed_origins",
        ),
        (("budgets",), "a list of maps"),
        (("pricing", "overrides", 0, "hidden_output"), "true or false; or null"),
        (("policies", 0, "models", "gpt-4o"), "the name of one model"),
    ],
)
def test_what_a_key_accepts_is_said_in_words(path: tuple[str | int, ...], text: str) -> None:
    kind = kind_at(path)

    assert kind is not None
    assert accepted(kind) == text


@pytest.mark.parametrize(
    "path", [("nowhere",), ("limits", 0), ("budgets", "scope"), ("templates_max", "a"), ("a", "b")]
)
def test_where_nothing_belongs_there_is_no_kind(path: tuple[str | int, ...]) -> None:
    assert kind_at(path) is None


def test_a_default_keeps_its_digits() -> None:
    (multiplier,) = [entry for entry in KEYS if entry.name == "price_multiplier"]

    assert multiplier.default == str(Decimal(1))
