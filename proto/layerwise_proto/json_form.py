"""The JSON form of an architecture, a plan or an encoder of tables, to and from its message.

Field names are the same in both. In JSON:

- a message that is one of several kinds (an activation, an optimizer) is the kind's name, `"relu"`, or an object with
  `kind`, `{"kind": "maxout", "pieces": 2}`;
- a message that is one of several values (a policy or a number) is the value;
- a message one of whose kinds is a plain map (weights by label) may be the map; its names may be labels of any type;
- an enum value is its name in lower case without the prefix of the enum, `"stratified"`.

Fields that are not set are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Protocol, TypeVar, runtime_checkable

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

JSON = str | int | float | bool | None | Sequence["JSON"] | Mapping[str, "JSON"]
M = TypeVar("M", bound=Message)
Steps = tuple[str | int, ...]

_INTEGER = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
"""The least and the largest number of each type."""


@runtime_checkable
class HasJSONForm(Protocol):
    """An object that gives its JSON form, as a plan and an architecture of the library do."""

    def to_json(self) -> object: ...


class JSONFormError(ValueError):
    """A value does not fit its field.

    `place` has the names and indices that lead to it, from the outside in, `detail` says what was wanted and what came.
    """

    def __init__(self, place: Steps, detail: str) -> None:
        super().__init__(place, detail)
        self.place = place
        self.detail = detail


def to_message(value: object, message_type: type[M], *, at: Steps = ()) -> M:
    """`value` (mappings, sequences and scalars, as `json.loads` gives them) as a `message_type`.

    `at` leads to `value` itself. Raises `JSONFormError` for an unknown field, a wrong type or a number out of range.
    """
    message = message_type()
    _fill(message, value, at)
    return message


def to_json(message: Message) -> dict[str, JSON]:
    """The fields of `message` that are set, as JSON; the inverse of `to_message`."""
    return {field.name: _render(field, value) for field, value in message.ListFields()}


def enum_name(enum: EnumDescriptor, number: int) -> str:
    """Lower-case name of a value without the enum's prefix; "" for UNSPECIFIED and for a number it does not know."""
    value = enum.values_by_number.get(number)
    return "" if value is None or number == 0 else value.name.removeprefix(_prefix(enum)).lower()


def _prefix(enum: EnumDescriptor) -> str:
    return enum.values[0].name.removesuffix("UNSPECIFIED")


def _is_kind(descriptor: Descriptor) -> bool:
    """Whether the message is one of several kinds, and nothing else."""
    return "kind" in descriptor.oneofs_by_name


def _is_value(descriptor: Descriptor) -> bool:
    """Whether the message is one of several scalars, and nothing else."""
    return "value" in descriptor.oneofs_by_name


def _is_map(field: FieldDescriptor) -> bool:
    """Whether the field is a map of names to messages or scalars."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _render(field: FieldDescriptor, value: object) -> JSON:
    if _is_map(field):
        items = sorted(value.items())  # type: ignore[attr-defined]
        return {name: _render_message(item) if isinstance(item, Message) else item for name, item in items}
    if field.message_type is not None:
        if field.is_repeated:
            return [_render_message(item) for item in value]  # type: ignore[attr-defined]
        return _render_message(value)  # type: ignore[arg-type]
    if field.is_repeated:
        return list(value)  # type: ignore[call-overload, no-any-return]
    if field.enum_type is not None:
        return enum_name(field.enum_type, value)  # type: ignore[arg-type]
    return value  # type: ignore[return-value]


def _render_message(message: Message) -> JSON:
    if _is_value(message.DESCRIPTOR):
        chosen = message.WhichOneof("value")
        return None if chosen is None else getattr(message, chosen)  # type: ignore[no-any-return]
    if not _is_kind(message.DESCRIPTOR):
        return to_json(message)
    kind = message.WhichOneof("kind")
    if kind is None:
        return None
    options = to_json(getattr(message, kind))
    return {"kind": kind, **options} if options else kind


def _fill(message: Message, value: object, at: Steps) -> None:
    descriptor = message.DESCRIPTOR
    if isinstance(value, HasJSONForm) and not isinstance(value, type):
        value = value.to_json()
        if isinstance(value, Mapping):  # null in it is a field left out, also one that the message does not have
            value = {name: item for name, item in value.items() if item is not None}
    if _is_kind(descriptor):
        _fill_kind(message, value, at)
        return
    if _is_value(descriptor):
        _fill_value(message, value, at)
        return
    if not isinstance(value, Mapping):
        raise JSONFormError(at, f"expected an object, got {_describe(value)}")
    for name, item in value.items():
        field = descriptor.fields_by_name.get(name)
        inner = (*at, str(name))
        if field is None:
            known = [other.name for other in descriptor.fields]
            near = _did_you_mean(_SHORT.get(name, name), known + _fields_of_kinds(descriptor))
            raise JSONFormError(inner, f"unknown field; the fields here are: {', '.join(known) or 'none'}{near}")
        if item is not None:  # null, as JSON writers give it, is a field left out
            _fill_field(message, field, item, inner)


_SHORT: Mapping[object, str] = {"lr": "learning_rate"}


def _did_you_mean(word: object, known: list[str]) -> str:
    """Return "; did you mean NAME?" with the name in `known` most like `word`, by its last part; "" if none is."""
    by_end = {name.rpartition(".")[2]: name for name in reversed(known)}
    return "".join(f"; did you mean {by_end[each]}?" for each in get_close_matches(str(word)[:256], by_end, 1))


def _fields_of_kinds(descriptor: Descriptor) -> list[str]:
    """Return the fields of the kinds that fields of a message may have: "optimizer.learning_rate"."""
    of_kind = [field for field in descriptor.fields if field.message_type and _is_kind(field.message_type)]
    kinds = [(field.name, kind) for field in of_kind for kind in field.message_type.oneofs_by_name["kind"].fields]
    return [f"{name}.{own.name}" for name, kind in kinds if kind.message_type for own in kind.message_type.fields]


def _fill_kind(message: Message, value: object, at: Steps) -> None:
    options: Mapping[str, object] = {}
    kind = value
    if isinstance(value, Mapping):
        if (plain := _plain_map(message.DESCRIPTOR)) is not None and not isinstance(value.get("kind"), str):
            chosen: Message = getattr(message, plain.name)
            chosen.SetInParent()
            _fill_map(chosen, plain.message_type.fields[0], _by_text(value), at)
            return
        if "kind" not in value:
            names = ", ".join(field.name for field in message.DESCRIPTOR.oneofs_by_name["kind"].fields)
            raise JSONFormError((*at, "kind"), f"missing; expected one of {names}")
        kind = value["kind"]
        options = {name: item for name, item in value.items() if name != "kind"}
    kinds = [field.name for field in message.DESCRIPTOR.oneofs_by_name["kind"].fields]
    if not isinstance(kind, str) or kind not in kinds:
        got = f"{_describe(kind)}{_did_you_mean(kind, kinds)}"
        raise JSONFormError(at, f"expected one of {', '.join(kinds)}, got {got}")
    chosen = getattr(message, kind)
    chosen.SetInParent()
    _fill(chosen, options, at)


def _fill_value(message: Message, value: object, at: Steps) -> None:
    fields = {field.cpp_type == FieldDescriptor.CPPTYPE_STRING: field for field in message.DESCRIPTOR.fields}
    if isinstance(value, bool) or not (isinstance(value, str) or hasattr(value, "__float__")):
        raise JSONFormError(at, f"expected a string or a number, got {_describe(value)}")
    _fill_field(message, fields[isinstance(value, str)], value, at)


def _fill_map(message: Message, field: FieldDescriptor, value: object, at: Steps) -> None:
    if not isinstance(value, Mapping):
        raise JSONFormError(at, f"expected an object, got {_describe(value)}")
    for name, item in value.items():
        inner = (*at, str(name))
        if not isinstance(name, str) or not _is_unicode(name):
            raise JSONFormError(inner, f"expected a name of Unicode text, got {_describe(name)}")
        of_values = field.message_type.fields_by_name["value"]
        if of_values.message_type is None:
            getattr(message, field.name)[name] = _scalar(of_values, item, inner)
        else:
            _fill(getattr(message, field.name)[name], item, inner)


def _plain_map(descriptor: Descriptor) -> FieldDescriptor | None:
    """The kind of the message, if it has one, that is a map and nothing else."""
    for kind in descriptor.oneofs_by_name["kind"].fields:
        fields = kind.message_type.fields if kind.message_type else []
        if len(fields) == 1 and _is_map(fields[0]):
            return kind
    return None


def _by_text(value: Mapping[object, object]) -> dict[object, object]:
    """`value` with text in the place of names that are labels: whole numbers and booleans."""
    texts: dict[object, object] = {}
    for name, item in value.items():
        plain = name.item() if hasattr(name, "item") else name  # of NumPy
        texts[str(plain).lower() if isinstance(plain, bool) else str(plain) if isinstance(plain, int) else plain] = item
    return texts


def _fill_field(message: Message, field: FieldDescriptor, value: object, at: Steps) -> None:
    if _is_map(field):
        _fill_map(message, field, value, at)
        return
    if field.message_type is not None:
        if not field.is_repeated:
            inner: Message = getattr(message, field.name)
            inner.SetInParent()
            _fill(inner, value, at)
            return
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise JSONFormError(at, f"expected a list, got {_describe(value)}")
        for index, item in enumerate(value):
            _fill(getattr(message, field.name).add(), item, (*at, index))
        return
    if field.is_repeated:
        _fill_scalars(message, field, value, at)
        return
    setattr(message, field.name, _scalar(field, value, at))


def _fill_scalars(message: Message, field: FieldDescriptor, value: object, at: Steps) -> None:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise JSONFormError(at, f"expected a list, got {_describe(value)}")
    getattr(message, field.name).extend(_scalar(field, item, (*at, index)) for index, item in enumerate(value))


def _scalar(field: FieldDescriptor, value: object, at: Steps) -> object:
    if field.enum_type is not None:
        names = {enum_name(field.enum_type, number): number for number in field.enum_type.values_by_number if number}
        if isinstance(value, str) and value in names:
            return names[value]
        raise JSONFormError(at, f"expected one of {', '.join(names)}, got {_describe(value)}")
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return _expect(isinstance(value, bool), value, "true or false", at)
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return _expect(isinstance(value, str) and _is_unicode(value), value, "a string of Unicode text", at)
    if isinstance(value, bool):
        raise JSONFormError(at, f"expected a number, got {_describe(value)}")
    if field.cpp_type in _INTEGER:
        whole = isinstance(value, int) or hasattr(value, "__index__")
        number = int(_expect(whole, value, "a whole number", at))  # type: ignore[call-overload]
        least, most = _INTEGER[field.cpp_type]
        return _expect(least <= number <= most, number, f"a whole number from {least} to {most}", at)
    if not (isinstance(value, int | float) or hasattr(value, "__float__")):
        raise JSONFormError(at, f"expected a number, got {_describe(value)}")
    try:
        return float(value)
    except (ValueError, TypeError, OverflowError) as error:  # a whole number of hundreds of digits, an array
        raise JSONFormError(at, f"expected a number that 64 bits can hold, got {_describe(value)}") from error


def _is_unicode(text: str) -> bool:
    """Whether UTF-8 can hold `text`; half of a surrogate pair has no encoding."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _expect(fits: bool, value: object, wanted: str, at: Steps) -> object:
    if not fits:
        raise JSONFormError(at, f"expected {wanted}, got {_describe(value)}")
    return value


def _describe(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "a list"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
