"""How `layerwise predict` writes predictions: as a table on a terminal, as CSV, or as JSON."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TextIO, cast

from layerwise_client._data.cells import EXACT
from layerwise_client.cli.output import emit, say, table
from layerwise_client.cli.score import Score
from layerwise_client.errors import InvalidRequest
from layerwise_client.prediction import PredictedRows, joined_rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from layerwise import Contributions
    from layerwise_client.prediction import Prediction

_SHOWN = 20


class Output(Protocol):
    """Writes blocks of predictions as they come, then the score."""

    def add(self, rows: PredictedRows) -> None: ...

    def end(self, score: Score | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Shown:
    """What is written of a classifier: `all_classes` with their probabilities, the `top_k` most probable, or one."""

    all_classes: bool = False
    top_k: int = 0


def output(shown: Shown, *, as_json: bool, file: TextIO | None = None) -> Output:
    """Return what writes JSON or CSV into `file`; by default to stdout, where it is a table on a terminal."""
    if as_json:
        return _Json(shown, file)
    return _Table(shown) if file is None and sys.stdout.isatty() else _Csv(shown, file or sys.stdout)


class _Json:
    """The JSON that the REST service would answer, with the score."""

    def __init__(self, shown: Shown, file: TextIO | None) -> None:
        self._shown = shown
        self._file = file
        self._blocks: list[PredictedRows] = []

    def add(self, rows: PredictedRows) -> None:
        self._blocks.append(rows)

    def end(self, score: Score | None) -> None:
        answer, first = joined_rows(self._blocks), self._blocks[0]
        content: dict[str, Any] = {
            "model": answer.model,
            "version": answer.version,
            "predictions": _predictions(answer),
        }
        if self._shown.top_k:
            labels, values = _top(answer, self._shown.top_k)
            content["top"] = [
                [{"class": label, "probability": value} for label, value in zip(*row, strict=True)]
                for row in zip(labels.tolist(), _short(values), strict=True)
            ]
        elif answer.probabilities is not None:
            content["probabilities"] = _short(answer.probabilities)
        if answer.classes is not None:
            content["classes"] = answer.classes.tolist()
        if (explained := answer.contributions) is not None:
            content["contributions"] = {"kind": explained.kind, "columns": list(explained.columns)}
            content["contributions"] |= {
                name: _short(getattr(explained, name)) for name in ("values", "outputs", "baselines")
            }
        if answer.warnings:
            content["warnings"] = [asdict(warning) for warning in answer.warnings]
        if first.unused:
            content["unused"] = list(first.unused)
        if first.kept:
            content["kept"] = {name: [cell for rows in self._blocks for cell in rows.kept[name]] for name in first.kept}
        if score is not None:
            content[score.name] = score.value
        emit(content, line=True, file=self._file)


class _Csv:
    def __init__(self, shown: Shown, file: TextIO) -> None:
        self._shown = shown
        self._writer = csv.writer(file, lineterminator="\n")
        self._begun = False

    def add(self, rows: PredictedRows) -> None:
        if not self._begun:
            self._writer.writerow(_header(rows, self._shown))
            self._begun = True
        self._writer.writerows(_lines(rows, self._shown))

    def end(self, score: Score | None) -> None:
        if score is not None:
            say(str(score), err=True)


class _Table:
    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._header: tuple[str, ...] = ()
        self._lines: list[Sequence[object]] = []
        self._count = 0
        self._of = ""
        self._explained: list[Contributions] = []

    def add(self, rows: PredictedRows) -> None:
        if (explained := rows.prediction.contributions) is not None:
            if len(self._lines) < _SHOWN:
                self._explained.append(explained)
            rows = replace(rows, prediction=replace(rows.prediction, contributions=None))
        if not self._header:
            self._of = f"{rows.prediction.model} version {rows.prediction.version}"
            self._header = _header(rows, self._shown)
        self._count += len(rows)
        if len(self._lines) < _SHOWN:
            self._lines += list(_lines(rows, self._shown, probability="{:.4f}".format))[: _SHOWN - len(self._lines)]

    def end(self, score: Score | None) -> None:
        say(self._of)
        table(("row", *self._header), ((index, *row) for index, row in enumerate(self._lines, 1)))
        if self._count > _SHOWN:
            say(f"… and {self._count - _SHOWN:,} more; a pipe or --json shows all")
        if self._explained:
            self._explain(type(self._explained[0]).joined(self._explained))
        if score is not None:
            say(str(score))

    def _explain(self, found: Contributions) -> None:
        """Show the largest contributions of each row in the table."""
        for row in range(len(self._lines)):
            say(f"row {row + 1}: {found.kind} {found.outputs[row]:.4f}, baseline {found.baselines[row]:.4f}")
            pairs = sorted(zip(found.columns, found.values[row].tolist(), strict=True), key=lambda pair: -abs(pair[1]))
            table(("column", "contribution"), ((name, f"{value:+.4f}") for name, value in pairs[:_SHOWN]))
            if len(pairs) > _SHOWN:
                say(f"… and {len(pairs) - _SHOWN:,} columns that contribute less")


def _header(rows: PredictedRows, shown: Shown) -> tuple[str, ...]:
    answer = rows.prediction
    if shown.all_classes and answer.probabilities is None:
        detail = f"version {answer.version} of {answer.model} gives none"
        raise InvalidRequest(f"probabilities: {detail}", pointer="probabilities", detail=detail)
    width = 1 if answer.values is None or answer.values.ndim == 1 else int(answer.values.shape[1])
    found = ("prediction",) if width == 1 else tuple(f"prediction_{index}" for index in range(width))
    if shown.top_k:
        count = _top(answer, shown.top_k)[0].shape[1]
        found += tuple(name for place in range(1, count + 1) for name in (f"top_{place}", f"top_{place}_probability"))
    elif shown.all_classes:
        classes = range(width) if answer.classes is None else answer.classes.tolist()
        found += tuple(f"probability_{each}" if answer.classes is None else _text(each) for each in classes)
    elif answer.labels is not None and answer.probabilities is not None:
        found += ("probability",)
    if answer.contributions is not None:
        found += ("baseline", *(f"contribution:{name}" for name in answer.contributions.columns))
    from layerwise.wording import distinct_names

    names = [*rows.kept, *found]
    distinct = distinct_names(names)
    for name, new in zip(names, distinct, strict=True):
        if new != name:
            say(f"a second column {name} is called {new}", err=True)
    return tuple(distinct)


def _lines(
    rows: PredictedRows, shown: Shown, *, probability: Callable[[float], object] = float
) -> Iterator[tuple[object, ...]]:
    """Yield the cells of each row; `probability` makes those of probabilities."""
    answer = rows.prediction
    kept = list(zip(*rows.kept.values(), strict=True)) or [()] * len(rows)
    several = answer.values is not None and answer.values.ndim > 1
    predicted = [tuple(each) if several else (each,) for each in _predictions(answer)]
    more: list[tuple[object, ...]] = [()] * len(rows)
    if shown.top_k:
        labels, values = _top(answer, shown.top_k)
        pairs = zip(labels.tolist(), _short(values), strict=True)
        more = [
            tuple(cell for label, value in zip(*row, strict=True) for cell in (_text(label), probability(value)))
            for row in pairs
        ]
    elif shown.all_classes and answer.probabilities is not None:
        more = [tuple(map(probability, each)) for each in _short(answer.probabilities)]
    elif answer.labels is not None and answer.probabilities is not None:
        more = [(probability(surest),) for surest in _short(answer.probabilities.max(axis=1))]
    why: list[tuple[object, ...]] = [()] * len(rows)
    if (explained := answer.contributions) is not None:
        why = [
            (baseline, *values)
            for baseline, values in zip(_short(explained.baselines), _short(explained.values), strict=True)
        ]
    for own, prediction, probabilities, contributions in zip(kept, predicted, more, why, strict=True):
        yield (*map(_text, own), *map(_text, prediction), *probabilities, *contributions)


def _top(answer: Prediction, most: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32]]:
    """Return the `most` most probable classes of each row and their probabilities. Raises `InvalidRequest`."""
    import numpy as np

    if answer.classes is None or answer.probabilities is None:
        detail = f"version {answer.version} of {answer.model} gives no probabilities of classes"
        raise InvalidRequest(f"--top-k: {detail}", pointer="top_k", detail=detail)
    order = np.argsort(-answer.probabilities, axis=1, kind="stable")[:, :most]
    return answer.classes[order], np.take_along_axis(answer.probabilities, order, axis=1)


def _predictions(answer: Prediction) -> list[Any]:
    if answer.labels is not None:
        return cast("list[Any]", answer.labels.tolist())
    return [] if answer.values is None else _short(answer.values)


def _short(values: npt.NDArray[Any]) -> list[Any]:
    """Return float32 numbers with the fewest digits that identify them: 0.1 and not 0.10000000149."""
    return cast("list[Any]", values.astype(str).astype(float).tolist())


def _text(value: object) -> str:
    """Return a value as in most CSV files: true, not True; 5, not 5.0; nothing for a missing value.

    Beyond `EXACT`, a number keeps its exponent: an id of more digits has lost the last ones.
    """
    if isinstance(value, float) and abs(value) <= EXACT:
        from layerwise.tables.cells import number_text

        return number_text(value)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
