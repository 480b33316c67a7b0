"""YAML as people write it: every value with its line, duplicate keys refused, ${ENV} filled in.

Numbers with a decimal point become exact Decimals, dates stay text. Anchors, aliases and
tags are refused: nothing in a configuration file needs them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Final

import yaml
from yaml.constructor import SafeConstructor

from proxy.config.findings import Finding, Origin, Path

_TAG: Final = "tag:yaml.org,2002:"
_REFERENCE: Final = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")
_REFERENCE_FORM: Final = "${NAME} or ${NAME:-default}"
_NUMBERS: Final = SafeConstructor()


@dataclass
class Document:
    """A file as read. `broken` are the places whose values are not there for a finding."""

    value: object = None
    file: str = ""
    lines: dict[Path, int] = field(default_factory=dict)
    variables: dict[Path, tuple[str, ...]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    broken: set[Path] = field(default_factory=set)

    @property
    def origin(self) -> Origin:
        """Where its values were written."""
        return Origin(self.file, self.lines, self.variables)

    def find(self, path: Path, line: int, problem: str, accepted: str = "") -> None:
        """Note that there is no usable value at this path."""
        self.broken.add(path)
        self.findings.append(Finding(path, problem, accepted, file=self.file, line=line))


def read_document(text: str, *, file: str, env: Mapping[str, str]) -> Document:
    """Read a YAML text. Whatever is wrong with it is in the document's findings."""
    document = Document(file=file)
    try:
        node = yaml.compose(text, Loader=_PlainLoader)
        if node is not None:
            document.value = _Reader(document, env).read((), node, _line(node))
    except yaml.MarkedYAMLError as error:
        # Only `problem` is repeated: the error's own text quotes the line, secrets and all.
        mark = error.problem_mark
        line = mark.line + 1 if mark is not None else 1
        document.find((), line, f"not valid YAML: {error.problem}")
    except yaml.YAMLError:
        document.find((), 1, "not valid YAML: it has characters that YAML does not allow")
    except RecursionError:
        document.find((), 1, "not valid YAML: nested too deeply")
    return document


class _PlainLoader(yaml.SafeLoader):
    """Composes nodes, with neither aliases nor the loops they can make."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(
                problem="aliases (*name) are not accepted: write the value out", problem_mark=mark
            )
        return super().compose_node(parent, index)


class _Reader:
    """Makes values of nodes."""

    def __init__(self, document: Document, env: Mapping[str, str]) -> None:
        self._document = document
        self._env = env

    def read(self, path: Path, node: yaml.Node, line: int) -> object:
        """The value of a node; None where there is a finding instead."""
        self._document.lines[path] = line
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._read_mapping(path, node)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [
                self.read((*path, place), entry, _line(entry))
                for place, entry in enumerate(node.value)
            ]
        if isinstance(node, yaml.ScalarNode):
            return self._read_scalar(path, node)
        self._document.find(path, line, "a tag (!name), which is not accepted")
        return None

    def _read_mapping(self, path: Path, node: yaml.MappingNode) -> dict[str, object]:
        values: dict[str, object] = {}
        for key_node, value_node in node.value:
            line = _line(key_node)
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != f"{_TAG}str":
                self._document.find(path, line, "a key that is not text: put it in quotes")
                continue
            key = key_node.value
            below = (*path, key)
            if key in values:
                first = self._document.lines[below]
                self._document.find(below, line, f"written twice, first in line {first}")
                continue
            values[key] = self.read(below, value_node, line)
        return values

    def _read_scalar(self, path: Path, node: yaml.ScalarNode) -> object:
        kind = node.tag.removeprefix(_TAG)
        text: str = node.value
        try:
            match kind:
                case "str" | "timestamp":
                    return self._fill_in(path, text, _line(node))
                case "null":
                    return None
                case "bool":
                    return _NUMBERS.construct_yaml_bool(node)
                case "int":
                    return _NUMBERS.construct_yaml_int(node)
                case "float":
                    return _decimal(text)
        except (ValueError, InvalidOperation):
            self._document.find(path, _line(node), "not a number that can be read")
            return None
        self._document.find(path, _line(node), "a tag (!name), which is not accepted")
        return None

    def _fill_in(self, path: Path, text: str, line: int) -> str | None:
        """The text with its references to the environment replaced.

        As in a shell, the default also stands in for a variable that is set and empty.
        """
        if "${" not in text:
            return text
        missing = []

        def replace(reference: re.Match[str]) -> str:
            name, default = reference["name"], reference["default"]
            value = self._env.get(name)
            if default is not None:
                return value or default
            if value is None:
                missing.append(name)
            return value or ""

        if "${" in _REFERENCE.sub("", text):
            self._document.find(path, line, '"${" without a name', _REFERENCE_FORM)
            return None
        filled = _REFERENCE.sub(replace, text)
        for name in missing:
            self._document.find(
                path, line, f"the environment variable {name} is not set", f"${{{name}:-default}}"
            )
        self._document.variables[path] = tuple(m["name"] for m in _REFERENCE.finditer(text))
        return None if missing else filled


def _decimal(text: str) -> Decimal:
    """A YAML number with a point, exactly. Source: yaml.org/type/float.html."""
    plain = text.replace("_", "").lower()
    if plain.endswith((".inf", ".nan")):
        return Decimal(plain.replace(".inf", "Infinity").replace(".nan", "NaN"))
    return Decimal(plain)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
