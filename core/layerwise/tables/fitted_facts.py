"""What a fitted encoder tells about itself."""

from layerwise.checks import whole_number
from layerwise.errors import InvalidInput
from layerwise.tables.fitted_encoder import FittedEncoder
from layerwise.tables.fitting import AnyColumn


class FittedFacts:
    """The columns and outputs of an encoder, once it is fitted."""

    def __init__(self) -> None:
        self._fitted: FittedEncoder | None = None

    @property
    def is_fitted(self) -> bool:
        """Whether the encoder is fitted."""
        return self._fitted is not None

    @property
    def columns(self) -> tuple[AnyColumn, ...]:
        """The fitted columns, in order: name, kind, encoding, format, doubts, names of outputs, and what was fitted.

        Raises InvalidInput before fitting, as all members below do.
        """
        return self._checked_fitted().columns

    @property
    def width(self) -> int:
        """The number of outputs of a row, which is the network's number of inputs."""
        return self._checked_fitted().width

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the outputs (width,), all different: "distance", "distance missing", "carrier=AA", "day.year" …

        A name that two columns share gets " (2)" in the second.
        """
        return self._checked_fitted().output_names

    @property
    def constant(self) -> tuple[int, ...]:
        """The outputs that had one value in all fitted rows; they are encoded as 0 in every row."""
        return tuple(self._checked_fitted().constant.tolist())

    def _checked_fitted(self) -> FittedEncoder:
        if self._fitted is None:
            raise InvalidInput("encoder", "expected a fitted encoder; call fit(table) first")
        return self._fitted

    def source_of(self, output: int) -> str:
        """Return the name of the column that an output encodes.

        Parameters
        ----------
        output : int
            The output, counted from 0.

        Returns
        -------
        str

        Raises
        ------
        InvalidInput
            If there is no such output, or the encoder is not fitted.
        """
        fitted = self._checked_fitted()
        return fitted.source_of(whole_number("output", output, least=0, most=fitted.width - 1))
