"""The encoder of tables: columns in, inputs of a network out."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from numpy.typing import DTypeLike

from layerwise.checks import counted, fields
from layerwise.errors import InvalidInput
from layerwise.tables.choices import EncoderChoices, check_scaled_once
from layerwise.tables.encoding import Encoding
from layerwise.tables.fitted_columns import columns_from_json
from layerwise.tables.fitted_encoder import FittedEncoder
from layerwise.tables.fitted_facts import FittedFacts
from layerwise.tables.fitting import fit_columns
from layerwise.tables.format import Format
from layerwise.tables.table import TableLike, several
from layerwise.tables.unusual import TableWarning
from layerwise.types import Floats


class TableEncoder(FittedFacts):
    """Encodes the columns of a table as inputs of a network.

    It is fitted once and does not change afterwards; several threads may use it at once.

    Parameters
    ----------
    columns : mapping of str to str or Encoding, optional
        The encodings of columns, by name (such as "one_hot") or as objects.
    ignore : iterable of str, optional
        Columns to leave out.
    rest : {"infer", "ignore"}, default "infer"
        Infer the encodings of all other columns from their values, or leave these columns out.
    extra : {"error", "ignore"}, default "error"
        Whether a table to encode may have columns that the fitted table had not.
    formats : mapping of str to str or Format, optional
        How the cells of columns are read, by name (such as "boolean") or as objects; by default as their texts show.

    Raises
    ------
    InvalidInput
        If an argument is invalid.

    Examples
    --------
    >>> from layerwise import TableEncoder
    >>> encoder = TableEncoder().fit({"age": [20, 30, 40], "pet": ["cat", "dog", "cat"]})
    >>> encoder.names
    ('age', 'pet=cat', 'pet=dog')
    >>> encoder.encode([{"age": 30, "pet": "dog"}])
    array([[0., 0., 1.]], dtype=float32)
    """

    def __init__(
        self,
        columns: Mapping[str, str | Encoding] | None = None,
        *,
        ignore: Iterable[str] = (),
        rest: str = "infer",
        extra: str = "error",
        formats: Mapping[str, str | Format] | None = None,
    ) -> None:
        self._choices = EncoderChoices.checked(columns, formats, ignore, rest, extra)
        super().__init__()

    def fit(self, table: TableLike) -> "TableEncoder":
        """Fit all columns on the rows of a table. Formats that are not chosen follow from all its different texts.

        Parameters
        ----------
        table : mapping, list of mappings, or DataFrame
            The rows.

        Returns
        -------
        TableEncoder
            The encoder itself.

        Raises
        ------
        InvalidInput
            If a value does not fit its column, naming row and column; or if the encoder is already fitted.
        """
        return self.fit_blocks([table])

    def fit_blocks(self, tables: Iterable[TableLike]) -> "TableEncoder":
        """Fit all columns on the rows of several tables, read once, one at a time.

        A format that is not chosen is inferred from the first table in which the column has a value. A later cell
        that it cannot read is an error.

        Memory does not grow with the rows: of each column it keeps moments, up to 131,072 categories, beyond which the
        rarest are forgotten, and for quantiles and medians a random sample of 65,536 numbers.

        Parameters
        ----------
        tables : iterable of tables
            The rows, in blocks.

        Returns
        -------
        TableEncoder
            The encoder itself.

        Raises
        ------
        InvalidInput
            As for `fit`; rows are counted over all tables. The encoder is then unchanged.
        """
        if self._fitted is not None:
            raise InvalidInput("encoder", "expected an encoder that is not yet fitted; make a new one")
        choices = self._choices
        extra = choices.extra_columns
        columns = fit_columns(tables, choices.encodings, choices.formats, ignored=choices.ignored_in_fit, extra=extra)
        self._fitted = FittedEncoder(columns, extra)
        return self

    def check_scaled_once(self, scale: float, shift: float) -> None:
        """Check that a network does not scale inputs that an encoding has already scaled.

        Parameters
        ----------
        scale, shift : float
            The network's `input_scale` and `input_shift`.

        Raises
        ------
        InvalidInput
            If it does.
        """
        check_scaled_once({column.name: column.encoding for column in self.columns}, scale, shift)

    def check_choices_scaled_once(self, names: Iterable[str], scale: float, shift: float) -> None:
        """Check the same before fitting. An inferred encoding always scales.

        Parameters
        ----------
        names : iterable of str
            The columns of the table to be fitted.
        scale, shift : float
            The network's `input_scale` and `input_shift`.

        Raises
        ------
        InvalidInput
            If the network would scale inputs that an encoding scales.
        """
        check_scaled_once(self._choices.encodings_of(names), scale, shift)

    def encode(
        self,
        table: TableLike,
        out: Floats | None = None,
        *,
        dtype: DTypeLike | None = None,
        warnings: list[TableWarning] | None = None,
    ) -> Floats:
        """Encode the rows of a table as inputs of the network.

        Parameters
        ----------
        table : mapping, list of mappings, or DataFrame
            The rows.
        out : ndarray (n, width), optional
            The array to write into.
        dtype : {float32, float64}, optional
            Type of the result; by default that of `out`, or float32.
        warnings : list of TableWarning, optional
            Where to add what is unusual about the table, as `unusual` returns it.

        Returns
        -------
        ndarray (n, width)

        Raises
        ------
        InvalidInput
            If a value does not fit its column, naming row and column; or if the encoder is not fitted.
        """
        return self._checked_fitted().encode(table, out, dtype, warnings)

    def unusual(self, table: TableLike) -> tuple[TableWarning, ...]:
        """Find cells that are unlike those that the encoder was fitted on: such rows may be predicted badly.

        That are categories and gaps that the fitted rows did not have, numbers that are outside their range by more
        than its width, and dates by more than a twentieth of it, and a day.

        Parameters
        ----------
        table : mapping, list of mappings, or DataFrame
            The rows.

        Returns
        -------
        tuple of TableWarning
            One for each column and reason, whatever the number of rows.

        Raises
        ------
        InvalidInput
            As for `encode`.
        """
        found: list[TableWarning] = []
        self.encode(table, warnings=found)
        return tuple(found)

    def encode_blocks(self, tables: Iterable[TableLike], *, dtype: DTypeLike | None = None) -> Iterator[Floats]:
        """Encode several tables, one at a time.

        Parameters
        ----------
        tables : iterable of tables
            The rows, in blocks.
        dtype : {float32, float64}, optional
            Type of the result; by default float32.

        Returns
        -------
        iterator of ndarray (n, width)
            The inputs of each table in turn.

        Raises
        ------
        InvalidInput
            As for `encode`.
        """
        return (self.encode(table, dtype=dtype) for table in several(tables))

    def to_json(self) -> dict[str, object]:
        """Return the JSON form, fitted or not.

        Returns
        -------
        dict
            `from_json` makes an encoder of it that encodes to the same bits.
        """
        fitted = None if self._fitted is None else [column.to_json() for column in self._fitted.columns]
        return {**self._choices.to_json(), "fitted": fitted}

    @classmethod
    def from_json(cls, value: object) -> "TableEncoder":
        """Return the encoder of a JSON form; missing fields have their defaults.

        Parameters
        ----------
        value : dict
            As `to_json` returns it.

        Returns
        -------
        TableEncoder

        Raises
        ------
        InvalidInput
            At the field that is wrong.
        """
        given = fields("", value, known=("columns", "formats", "ignore", "rest", "extra", "fitted"))
        fitted = given.pop("fitted", None)
        encoder = cls(**cast(dict[str, Any], given))
        if fitted is not None:
            encoder._fitted = FittedEncoder(columns_from_json(fitted), encoder._choices.extra_columns)
        return encoder

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, TableEncoder) and self.to_json() == other.to_json())

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return TableEncoder.from_json, (self.to_json(),)

    def __repr__(self) -> str:
        if self._fitted is None:
            return "TableEncoder(not fitted)"
        return f"TableEncoder({counted(len(self.columns), 'column')}, {counted(self.width, 'output')})"
