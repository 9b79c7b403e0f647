"""Prediction over a transport, with rows in the form that the version takes, split into requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from layerwise_client._data.places import placed
from layerwise_client._data.rows import is_sparse, open_rows
from layerwise_client._data.table_rows import TableRows
from layerwise_client._data.tables import is_table, listed, open_table, positional
from layerwise_client._transport.connection import MESSAGE_BYTES
from layerwise_client.errors import InvalidRequest, LayerwiseError, NotFound, ServiceFault
from layerwise_client.prediction import Prediction, joined

if TYPE_CHECKING:
    from layerwise_client._data.rows import NumberRows
    from layerwise_client.transport import Signature, Transport

WRONG_KIND = "WRONG_KIND_OF_ROWS"
"""Reason of the error for rows of numbers where the version takes a table, or the reverse."""
UNKNOWN_COLUMN = "UNKNOWN_COLUMN"
"""The service's reason: the rows have a column that the version does not take."""
_MOST_SIGNATURES = 1_000  # kept; a client may ask for any number of versions
_TOO_MANY = "TOO_MANY_ROWS"  # the service's reason
_BLOCK_BYTES = MESSAGE_BYTES // 2
_BLOCK_ROWS = 4_096
"""Most rows of a request, since the answer of a model with many classes is larger than the request."""


class _OfVersion(Protocol):
    """What a version answers."""

    @property
    def model(self) -> str: ...

    @property
    def version(self) -> int: ...


Answer = TypeVar("Answer", bound=_OfVersion)


def of_newest(published: dict[str, int], found: Answer, ask: Callable[[str, str], Answer]) -> Answer:
    """Return `found`, an answer of the newest version, or what `ask` gets from a newer one among the `published`.

    Serving processes look for new versions every 0.2 s.
    """
    newest = published.get(found.model, 0)
    if found.version >= newest:
        return found
    try:
        return ask(found.model, str(newest))
    except NotFound:  # it was deleted meanwhile
        published.pop(found.model, None)
        return found


class Predicting:
    """Prediction over a transport. It keeps the signatures of the versions that it asked for."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._signatures: dict[tuple[str, str], Signature] = {}  # by model and version as the caller named them

    def predict(self, model: str, version: str, X: object, *, explain: bool) -> Prediction:
        """Predict the rows of `X`, as `Client.predict` takes them; "" is the only model, or its newest version.

        The signature of a version is fetched once. Later, "" or an alias may name a newer version. If that one answers
        or refuses the rows, the signature is fetched again; if its columns differ, the rows are sent again, to the new
        version by its number.
        """
        known = self._signatures.get((model, version))
        answer: Prediction | None = None
        refusal: InvalidRequest | None = None
        if known is not None:
            try:
                answer = self._predict_as(model, version, X, known, explain=explain)
                if answer.version == known.version:
                    return answer
            except InvalidRequest as exc:
                refusal = exc
        current = self._transport.signature(model, version)
        if len(self._signatures) >= _MOST_SIGNATURES:
            self._signatures.clear()
        self._signatures[model, version] = current
        if refusal is not None and current == known:
            raise refusal
        same_form = known is not None and list(known.columns.items()) == list(current.columns.items())
        if same_form and answer is not None and answer.version == current.version:
            return answer
        return self._predict_as(current.model, str(current.version), X, current, explain=explain)

    def _predict_as(self, model: str, version: str, X: object, signature: Signature, *, explain: bool) -> Prediction:
        """Predict rows in the form of `signature`. All requests go to the version that answers the first."""
        rows = _rows_for(X, signature)
        if not rows.count:
            raise InvalidRequest("X has no rows", pointer="X")
        step = min(max(1, _BLOCK_BYTES // rows.row_bytes(self._transport.number_bytes)), _BLOCK_ROWS)
        answers: list[Prediction] = []
        wanted: dict[str, bool] = {"explain": True} if explain else {}
        start = 0
        while start < rows.count:
            block = rows.block(start, min(start + step, rows.count))
            try:
                answer = self._transport.predict(model, version, block, **wanted)
            except LayerwiseError as exc:
                if exc.reason == _TOO_MANY and len(block) > 1:
                    step = len(block) // 2  # the answer for so many rows is larger than the service allows
                    continue
                if isinstance(exc, InvalidRequest):
                    raise _hinting(placed(exc, [range(start, start + len(block))])) from exc.__cause__
                raise
            for what, count in _counts(answer).items():
                if count != len(block):
                    raise ServiceFault(f"the service gave {count} {what} for {len(block)} rows")
            answers.append(answer)
            model, version = answers[0].model, str(answers[0].version)
            start += len(block)
        return joined(answers)


def _counts(answer: Prediction) -> dict[str, int]:
    """Return of how many rows there are predictions, and probabilities and contributions if there are any."""
    probabilities = {} if answer.probabilities is None else {"probabilities": len(answer.probabilities)}
    contributions = {} if answer.contributions is None else {"contributions": len(answer.contributions.values)}
    return {"predictions": len(answer), **probabilities, **contributions}


def check_size(size: int, rows: int) -> None:
    """Raise an error if a request of `size` bytes is larger than a message; its `rows` are then sent in halves."""
    if size > MESSAGE_BYTES - 1024:
        detail = f"X: a row does not fit a request of {MESSAGE_BYTES >> 20} MiB"
        raise InvalidRequest(detail, reason=_TOO_MANY if rows > 1 else "ROW_TOO_LARGE", pointer="X")


def _hinting(exc: InvalidRequest) -> InvalidRequest:
    """Return the error; one about an unknown column with a hint that it may be the target."""
    match exc.place:
        case ("X", *_, str(column)) if exc.reason == UNKNOWN_COLUMN:
            hint = f"; if it is the target, leave it out: X.drop(columns=[{column!r}]) of a DataFrame"
            # without the hint in the detail: it is about Python
            return InvalidRequest(
                f"{exc}{hint}",
                reason=exc.reason,
                pointer=exc.place,
                request_id=exc.request_id,
                detail=exc.detail,
            )
        case _:
            return exc


def _rows_for(X: object, signature: Signature) -> NumberRows | TableRows:
    """Return `X` in the form that a version takes. Raises `InvalidRequest`."""
    columns = list(signature.columns)
    version = f"version {signature.version} of {signature.model}"
    if isinstance(X, TableRows) or is_table(X):
        if not columns:
            detail = f"expected rows of numbers, because {version} was not trained on a table"
            hint = "X.to_numpy() of a DataFrame gives rows of numbers"  # about Python, so not part of the detail
            raise InvalidRequest(f"X: {detail}; {hint}", reason=WRONG_KIND, pointer="X", detail=detail)
        return X if isinstance(X, TableRows) else open_table(X, columns).opened(kinds=signature.columns)
    if not columns:
        return open_rows(X)
    if is_sparse(X):
        wanted = f"expected a table, because {version} takes the columns {listed(columns)}"
        raise InvalidRequest(f"X: {wanted}; got a sparse matrix", reason=WRONG_KIND, pointer="X")
    return positional(X, columns).opened(kinds=signature.columns)
