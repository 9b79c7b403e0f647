"""What a user chooses for the encoding of tables."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

from layerwise import variants
from layerwise.checks import choice, is_unicode, shown
from layerwise.errors import InvalidInput, Place
from layerwise.tables.encoding import Encoding, texts
from layerwise.tables.encodings import ENCODINGS, Unscaled
from layerwise.tables.format import Format
from layerwise.tables.formats import FORMATS, READ_BY

V = TypeVar("V", bound=variants.Variant)


@dataclass(frozen=True, slots=True)
class EncoderChoices:
    """The checked arguments of a `TableEncoder`."""

    encodings: dict[str, Encoding]
    formats: dict[str, Format]
    ignored: tuple[str, ...]
    rest: str
    extra: str

    @staticmethod
    def checked(columns: object, formats: object, ignore: object, rest: object, extra: object) -> "EncoderChoices":
        """Return the choices of these arguments. Raises InvalidInput."""
        encodings = _by_column("columns", columns, ENCODINGS, "encodings")
        forms = formats_by_column(formats)
        ignored = texts("ignore", ignore)
        for argument, chosen in ("columns", encodings), ("formats", forms):
            for name in ignored:
                if name in chosen:
                    raise InvalidInput(Place(argument, name), "expected a column that is not also in `ignore`")
        for name, form in forms.items():
            if name in encodings:
                check_format(Place("formats", name), form, encodings[name])
        return EncoderChoices(
            encodings,
            forms,
            ignored,
            choice("rest", rest, ("infer", "ignore")),
            choice("extra", extra, ("error", "ignore")),
        )

    @property
    def ignored_in_fit(self) -> tuple[str, ...] | None:
        """The columns to leave out of a fit; None for all that have no chosen encoding."""
        return None if self.rest == "ignore" else self.ignored

    @property
    def extra_columns(self) -> tuple[str, ...] | None:
        """The columns that a table may have besides those that are encoded; None for any."""
        return None if self.extra == "ignore" or self.rest == "ignore" else self.ignored

    def encodings_of(self, names: Iterable[str]) -> dict[str, Encoding | None]:
        """Return the encoding of each of the columns `names` that is encoded; None if it is to be inferred."""
        chosen = {name: self.encodings.get(name) for name in names if name not in self.ignored}
        every = self.rest == "infer"
        return {name: own for name, own in chosen.items() if own is not None or every or name in self.formats}

    def to_json(self) -> dict[str, object]:
        """Return the arguments by name."""
        found: dict[str, object] = {"columns": {name: each.to_json() for name, each in self.encodings.items()}}
        if self.formats:
            found["formats"] = {name: each.to_json() for name, each in self.formats.items()}
        return found | {"ignore": list(self.ignored), "rest": self.rest, "extra": self.extra}


def formats_by_column(formats: object) -> dict[str, Format]:
    """Return the formats that a user gives, as names, JSON or objects, by column. Raises InvalidInput."""
    return _by_column("formats", formats, FORMATS, "formats")


def _by_column(argument: str, given: object, table: Mapping[str, type[V]], what: str) -> dict[str, V]:
    """Return the objects of the classes in `table` that a user gives, by column. Raises InvalidInput."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidInput(argument, f"expected {what} by the names of columns, got {shown(given)}")
    found: dict[str, V] = {}
    for name, each in cast(Mapping[object, object], given).items():
        if not isinstance(name, str) or not name or not is_unicode(name):
            raise InvalidInput(argument, f"expected column names, got {shown(name)}")
        found[name] = variants.from_json(Place(argument, name), each, table)
    return found


def check_format(at: Place | str, form: Format, encoding: Encoding) -> None:
    """Raise InvalidInput if `encoding` does not take the values that `form` reads."""
    kinds = READ_BY[encoding.reads]
    if form.kind not in kinds:
        wanted = f"expected a format of kind {' or '.join(kinds)}, which {encoding.kind} encodes"
        raise InvalidInput(at, f"{wanted}, got {form.kind}")


def check_scaled_once(encodings: Mapping[str, Encoding | None], scale: float, shift: float) -> None:
    """Raise InvalidInput if `scale` or `shift` applies to inputs that one of the `encodings` has already scaled."""
    if scale == 1 and shift == 0:
        return
    for name, encoding in encodings.items():
        if not isinstance(encoding, Unscaled):
            kind = f" by {encoding.kind}" if encoding else ""
            detail = f"expected 1, and input_shift 0: column {shown(name)} is already scaled{kind}, got {scale:g}"
            raise InvalidInput("input_scale", f"{detail}; leave it out, or encode every column as 'identity'")
