"""What a user chooses for the encoding of tables."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from layerwise import variants
from layerwise.checks import choice, is_unicode, shown
from layerwise.errors import InvalidInput, Place
from layerwise.tables.encoding import Encoding, texts
from layerwise.tables.encodings import ENCODINGS, Unscaled


@dataclass(frozen=True, slots=True)
class EncoderChoices:
    """The checked arguments of a `TableEncoder`."""

    encodings: dict[str, Encoding]
    ignored: tuple[str, ...]
    rest: str
    extra: str

    @staticmethod
    def checked(columns: object, ignore: object, rest: object, extra: object) -> "EncoderChoices":
        """Return the choices of these arguments. Raises InvalidInput."""
        encodings, ignored = _encodings(columns), texts("ignore", ignore)
        for name in ignored:
            if name in encodings:
                raise InvalidInput(Place("columns", name), "expected a column that is not also in `ignore`")
        return EncoderChoices(
            encodings,
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
        return {name: own for name, own in chosen.items() if own is not None or self.rest == "infer"}

    def to_json(self) -> dict[str, object]:
        """Return the arguments by name."""
        columns = {name: encoding.to_json() for name, encoding in self.encodings.items()}
        return {"columns": columns, "ignore": list(self.ignored), "rest": self.rest, "extra": self.extra}


def _encodings(columns: object) -> dict[str, Encoding]:
    """Return the encodings that a user gives, by column. Raises InvalidInput."""
    if columns is None:
        return {}
    if not isinstance(columns, Mapping):
        raise InvalidInput("columns", f"expected encodings by the names of columns, got {shown(columns)}")
    found: dict[str, Encoding] = {}
    for name, encoding in cast(Mapping[object, object], columns).items():
        if not isinstance(name, str) or not name or not is_unicode(name):
            raise InvalidInput("columns", f"expected column names, got {shown(name)}")
        found[name] = variants.from_json(Place("columns", name), encoding, ENCODINGS)
    return found


def check_scaled_once(encodings: Mapping[str, Encoding | None], scale: float, shift: float) -> None:
    """Raise InvalidInput if `scale` or `shift` applies to inputs that one of the `encodings` has already scaled."""
    if scale == 1 and shift == 0:
        return
    for name, encoding in encodings.items():
        if not isinstance(encoding, Unscaled):
            kind = f" by {encoding.kind}" if encoding else ""
            detail = f"expected 1, and input_shift 0: column {shown(name)} is already scaled{kind}, got {scale:g}"
            raise InvalidInput("input_scale", f"{detail}; leave it out, or encode every column as 'identity'")
