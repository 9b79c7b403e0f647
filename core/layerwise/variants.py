"""Classes that a user chooses by name, such as "adam", and the JSON form of their objects."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, TypeVar, cast

from layerwise.checks import choice, fields, shown
from layerwise.errors import InvalidInput, Place, within
from layerwise.limits import check_fields


@dataclasses.dataclass(frozen=True, slots=True)
class Variant:
    """One of several classes that a user chooses by its name `kind`, or constructs to set its fields.

    The fields are checked by their types, see `check_fields`.
    """

    kind: ClassVar[str]

    def __post_init__(self) -> None:
        check_fields(self)
        self.check_together()

    def check_together(self) -> None:
        """Check what the types of the fields cannot express, such as fields that depend on each other.

        Raises
        ------
        InvalidInput
            At the name of a field.
        """

    def to_json(self) -> str | dict[str, object]:
        """Return the JSON form.

        Returns
        -------
        str or dict
            The name if there are no fields, else an object with `kind` and every field.
        """
        own = {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}
        return {"kind": self.kind, **own} if own else self.kind


def _plain(value: object) -> object:
    return list(cast(tuple[object, ...], value)) if isinstance(value, tuple) else value


V = TypeVar("V", bound=Variant)


def chosen(pointer: Place | str, value: object, table: Mapping[str, type[V]]) -> V:
    """Return `value` if it is an object of a class in `table`, or the default object of the class that it names.

    Raises InvalidInput at `pointer`.
    """
    if isinstance(value, str):
        return table[choice(pointer, value, table)]()
    for cls in table.values():
        if isinstance(value, cls):
            return value
    wanted = f"expected one of {', '.join(table)}, or an object of such a class"
    raise InvalidInput(pointer, f"{wanted}, got {shown(value)}")


def from_json(pointer: Place | str, value: object, table: Mapping[str, type[V]]) -> V:
    """Return the object that the JSON `value` describes: a name, or {"kind": name, field: value, ...}.

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
