"""What a key accepts, in words: one wording for findings and for the reference."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo

from proxy.config.findings import Path
from proxy.config.model import Config
from proxy.config.sections.base import Accepts, Section


@dataclass(frozen=True, slots=True)
class Kind:
    """The type of a value, without its wrappers."""

    type: Any
    metadata: tuple[object, ...] = ()
    nullable: bool = False

    @property
    def section(self) -> type[Section] | None:
        """The section that the value is, or that the entries of the list are."""
        inner = self.entry.type if self.is_list else self.type
        return inner if isinstance(inner, type) and issubclass(inner, Section) else None

    @property
    def is_list(self) -> bool:
        return get_origin(self.type) is tuple

    @property
    def entry(self) -> "Kind":
        """The kind of a list's entries, or of a map's values."""
        arguments = get_args(self.type)
        return kind_of(arguments[0 if self.is_list else 1])

    @property
    def is_number(self) -> bool:
        """Whether it is a plain number. Amounts of money are not: they carry their unit."""
        return self.type in (int, Decimal) and self.accepts is None

    @property
    def accepts(self) -> Accepts | None:
        return next((m for m in self.metadata if isinstance(m, Accepts)), None)


def kind_of(annotation: object, metadata: tuple[object, ...] = ()) -> Kind:
    """Take the wrappers off a type: Annotated, Optional, NewType."""
    metadata = tuple(_flat(metadata))
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return kind_of(inner, (*metadata, *more))
    if get_origin(annotation) in (Union, UnionType):
        members = get_args(annotation)
        others = [member for member in members if member is not NoneType]
        if len(others) == 1 and len(members) == 2:
            inner = kind_of(others[0], metadata)
            return Kind(inner.type, inner.metadata, nullable=True)
    return Kind(getattr(annotation, "__supertype__", annotation), metadata)


def kind_of_field(field: FieldInfo) -> Kind:
    """The kind of a section's key."""
    return kind_of(field.annotation, tuple(field.metadata))


def kind_at(path: Path) -> Kind | None:
    """The kind of value that belongs at a path; None where nothing does."""
    kind: Kind | None = Kind(Config)
    for step in path:
        if kind is None:
            return None
        kind = _inside(kind, step)
    return kind


def accepted(kind: Kind) -> str:
    """What is accepted, as a phrase."""
    text = kind.accepts.text if kind.accepts is not None else _by_type(kind)
    return f"{text}; or null" if kind.nullable else text


def _flat(metadata: tuple[object, ...]) -> Iterator[object]:
    for entry in metadata:
        if isinstance(entry, FieldInfo):
            yield from entry.metadata
        else:
            yield entry


def _inside(kind: Kind, step: str | int) -> Kind | None:
    if isinstance(step, int):
        return kind.entry if kind.is_list else None
    if get_origin(kind.type) is dict:
        return kind.entry
    if kind.section is None or kind.is_list:
        return None
    field = kind.section.model_fields.get(step)
    return kind_of_field(field) if field is not None else None


def _by_type(kind: Kind) -> str:
    if kind.is_list:
        return "a list of maps" if kind.section else f"a list; each entry {accepted(kind.entry)}"
    if kind.section is not None:
        return f"a map with any of the keys {', '.join(kind.section.model_fields)}"
    if get_origin(kind.type) is Literal:
        values = [str(value) for value in get_args(kind.type)]
        return " or ".join([", ".join(values[:-1]), values[-1]] if len(values) > 1 else values)
    if kind.type is bool:
        return "true or false"
    if kind.type in (int, Decimal):
        return _by_bounds(kind)
    return "text"


def _by_bounds(kind: Kind) -> str:
    words = ["a whole number" if kind.type is int else "a number"]
    for bound in kind.metadata:
        match bound:
            case Ge(ge=value):
                words.append(f"from {value:,}")
            case Gt(gt=value):
                words.append(f"above {value:,}")
            case Le(le=value):
                words.append(f"up to {value:,}")
    return " ".join(words)
