"""What every section is, and how a value in it is refused.

Messages never repeat a value that may be a secret in the wrong place.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    ValidationInfo,
    field_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

NOT_SUPPORTED: Final = "not supported in this version"

Entry = TypeVar("Entry")


def invalid(problem: str, *, at: tuple[str | int, ...] = ()) -> PydanticCustomError:
    """A finding about the value at hand, or about the key at `at` below it."""
    return PydanticCustomError("config", "{problem}", {"problem": problem, "at": at})


class Section(BaseModel):
    """A part of the file. A misspelt key must not mean that its default holds."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )

    later_keys: ClassVar[frozenset[str]] = frozenset()
    """Keys that a later version will have."""

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        """YAML's `yes` and `on` are true, and true would pass for the number 1."""
        if isinstance(value, bool) and info.field_name is not None:
            annotation = cls.model_fields[info.field_name].annotation
            if bool not in (annotation, *get_args(annotation)):
                raise invalid("true and false are not accepted here (text needs quotes)")
        return value


@dataclass(frozen=True, slots=True)
class Accepts:
    """What a value may be, in words; `example` is one, as YAML has it."""

    text: str
    example: str


class Refuses:
    """Values that people may rightly try, each with the reason why it is no good."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = problems

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._check, handler(source))

    def _check(self, value: object) -> object:
        if isinstance(value, str) and value in self.problems:
            raise invalid(f'"{value}" is {self.problems[value]}')
        return value


def later(*values: str) -> Refuses:
    """Values that a later version will accept."""
    return Refuses(dict.fromkeys(values, NOT_SUPPORTED))


def unique(*fields: str, called: str = "") -> Callable[[tuple[Entry, ...]], tuple[Entry, ...]]:
    """A check that no two entries of a list are the same, or agree on all these fields.

    `called` is what people call the fields together.
    """
    names = called or " and ".join(fields)

    def check(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        seen: dict[object, int] = {}
        for number, entry in enumerate(entries):
            identity = tuple(getattr(entry, field) for field in fields) if fields else entry
            first = seen.setdefault(identity, number)
            if first != number:
                what = f"the same {names} as" if names else "the same as"
                raise invalid(f"{what} entry [{first}] of this list", at=(number,))
        return entries

    return check
