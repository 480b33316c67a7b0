"""docs/configuration.md and docs/config.schema.json, generated from the model.

`spendgate docs` writes them; a test fails when they are not what would be written.
"""

import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

from proxy.config.describe import Kind, accepted, kind_of_field
from proxy.config.model import Config
from proxy.config.sections.base import NOT_SUPPORTED, Section
from proxy.config.sections.values import Address
from proxy.domain.money import Microcents, Unit, written

PAGE: Final = "docs/configuration.md"
SCHEMA: Final = "docs/config.schema.json"

_HEAD: Final = """\
# Configuration

This page is generated from the code by `spendgate docs`.

`spendgate serve -c FILE` reads a YAML file; [config.example.yaml](../config.example.yaml) is one
to begin with, and [config.schema.json](config.schema.json) lets an editor check it. `spendgate
check -c FILE` says what is wrong with a file. SIGHUP reads it again; a file with something
wrong in it keeps the old configuration in force.

- An unknown key, a key written twice, or a key or value of a later version is an error when the
  proxy starts: nothing is accepted and then ignored.
- `${NAME}` in a value stands for an environment variable, `${NAME:-default}` for one that may be
  unset or empty. Keys, and secrets in this file, are best written that way. Text that is filled
  in stays one value: it cannot add keys. Inside `{…}` and `[…]` it needs quotes.
- Money is `$1.00` or `1.00 USD`. An integer without either counts microcents, of which
  100,000,000 are one dollar; below 1,000,000 (one cent) it is refused: dollars were meant.
  Amounts of budgets in other units are whole numbers.
- Prices of models are US dollars per million tokens.
- YAML aliases and tags are not accepted.
"""


def write(root: Path) -> None:
    """Write both files below the root of the project."""
    (root / PAGE).write_text(page(), encoding="utf-8")
    (root / SCHEMA).write_text(schema(), encoding="utf-8")


def page() -> str:
    """The reference of every key, in Markdown. Keys that occur in two places are told once."""
    parts = [_HEAD]
    told: dict[type[Section], str] = {}
    repeated: list[str] = []
    for entry in entries():
        if entry.path.startswith(tuple(repeated)):
            continue
        section = entry.kind.section
        if section is None:
            parts.append(_key(entry))
            continue
        first = told.setdefault(section, entry.path)
        if first != entry.path:
            repeated.append(entry.below)
        parts.append(_section(entry, section, told_at=first))
    return "\n".join(parts)


def schema() -> str:
    """The JSON schema of the file, before environment variables are filled in."""
    generated = Config.model_json_schema(schema_generator=_Schema)
    document = {"$schema": GenerateJsonSchema.schema_dialect, **generated}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of the file. Entries of a list are written `budgets[]`."""

    path: str
    field: FieldInfo
    kind: Kind

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def below(self) -> str:
        """What the paths of the keys in it begin with."""
        return f"{self.path}[]." if self.kind.is_list else f"{self.path}."

    @property
    def text(self) -> str:
        """Its documentation: the docstring under the field, or that of the section it is."""
        if self.field.description:
            return self.field.description
        section = self.kind.section
        return inspect.cleandoc(section.__doc__ or "") if section is not None else ""

    @property
    def default(self) -> str | None:
        """Its default as YAML has it; None where the key has to be given."""
        if self.field.is_required():
            return None
        return _in_yaml(self.field.get_default(call_default_factory=True), self.kind)

    @property
    def example(self) -> str | None:
        """A value that is accepted, as YAML has it."""
        for given in self.field.examples or ():
            return str(given).lower() if isinstance(given, bool) else str(given)
        return _example(self.kind) or self.default


def entries(section: type[Section] = Config, prefix: str = "") -> Iterator[Entry]:
    """Every key, in the order of the model, sections before what is in them."""
    for name, field in section.model_fields.items():
        entry = Entry(prefix + name, field, kind_of_field(field))
        yield entry
        if entry.kind.section is not None:
            yield from entries(entry.kind.section, entry.below)


def _section(entry: Entry, section: type[Section], *, told_at: str) -> str:
    keys = ", ".join(f"`{key}`" for key in section.model_fields)
    later = ", ".join(f"`{key}`" for key in sorted(section.later_keys))
    shape = "A list of maps" if entry.kind.is_list else "A map"
    required = "; required" if entry.field.is_required() else ""
    paragraphs = [f"{_heading(entry)}\n", f"{entry.text}\n"]
    if told_at != entry.path:
        paragraphs.append(f"{shape} with the keys of `{told_at}`{required}.\n")
    else:
        paragraphs.append(f"{shape} with the keys {keys}{required}.\n")
        if later:
            paragraphs.append(f"{NOT_SUPPORTED.capitalize()}: {later}.\n")
    return "\n".join(paragraphs)


def _key(entry: Entry) -> str:
    default = "required" if entry.default is None else f"default: `{entry.default}`"
    return (
        f"{_heading(entry)}\n\n"
        f"{entry.text}\n\n"
        f"- accepted: {accepted(entry.kind)}\n"
        f"- {default}\n"
        f"- example: `{entry.name}: {entry.example}`\n"
    )


def _heading(entry: Entry) -> str:
    return f"{'###' if '.' in entry.path else '##'} `{entry.path}`"


def _example(kind: Kind) -> str | None:
    if kind.accepts is not None:
        return kind.accepts.example
    if kind.is_list and kind.section is None:
        return f"[{_example(kind.entry)}]"
    if get_origin(kind.type) is Literal:
        return str(get_args(kind.type)[-1])
    return None


def _in_yaml(value: object, kind: Kind) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() if kind.accepts is not None:
            return written(Microcents(value), Unit.USD_MICROCENTS)
        case tuple():
            return f"[{', '.join(_in_yaml(entry, kind.entry) for entry in value)}]"
        case dict():
            return "{}"
        case str() if any(character in value for character in ':*"'):
            return json.dumps(value)
        case _:
            return str(value)


class _Schema(GenerateJsonSchema):
    """Defaults as YAML has them, and no titles that only repeat a key."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def encode_default(self, dft: Any) -> Any:
        match dft:
            case Section():
                return {}
            case Address():
                return str(dft)
            case _:
                return super().encode_default(dft)
