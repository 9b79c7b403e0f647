"""The JSON form of a choice among classes: a name, or an object whose `kind` is the name."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, TypeVar, cast

from layerwise.checks import choice, fields, shown
from layerwise.errors import InvalidInput, Place, within


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """A class that a user chooses by its name `kind`, or makes himself to set its fields."""

    kind: ClassVar[str]

    def to_json(self) -> str | dict[str, object]:
        """The name alone if there is nothing to set, else an object with `kind` and every field."""
        own = {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}
        return {"kind": self.kind, **own} if own else self.kind


def _plain(value: object) -> object:
    return list(cast(tuple[object, ...], value)) if isinstance(value, tuple) else value


K = TypeVar("K", bound=Kind)


def chosen(pointer: Place | str, value: object, table: Mapping[str, type[K]]) -> K:
    """The object that `value` stands for: itself, or the default of the class of that name in `table`.

    Raises InvalidInput at `pointer`.
    """
    if isinstance(value, str):
        return table[choice(pointer, value, table)]()
    for cls in table.values():
        if isinstance(value, cls):
            return value
    wanted = f"expected one of {', '.join(table)}, or an object of such a class"
    raise InvalidInput(pointer, f"{wanted}, got {shown(value)}")


def from_json(pointer: Place | str, value: object, table: Mapping[str, type[K]]) -> K:
    """The object that the JSON `value` stands for: a name, or {"kind": name, field: value, ...}.

    Raises InvalidInput at `pointer`.
    """
    if not isinstance(value, Mapping):
        return chosen(pointer, value, table)
    given = dict(cast(Mapping[str, object], value))
    if "kind" not in given:
        raise InvalidInput(Place(pointer, "kind"), f"expected one of {', '.join(table)}, the field is missing")
    cls = table[choice(Place(pointer, "kind"), given.pop("kind"), table)]
    own = fields(pointer, given, known=[field.name for field in dataclasses.fields(cls)])
    with within(pointer):
        return cls(**own)
