"""The encoder of tables as ONNX operators, with one input for each column.

ONNX cannot refuse a value. A value that the encoder refuses becomes NaN, and so does the prediction of its row.
"""

import math

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from layerwise.errors import InvalidInput, Place
from layerwise.onnx.dates import NO_TIME, date_values
from layerwise.onnx.graph import Graph
from layerwise.tables import CategoryColumn, DateColumn, Hashing, Log, NumberColumn, OneHot, TableEncoder, TextColumn
from layerwise.tables.cells import BOOLEANS
from layerwise.tables.format import numbers_in
from layerwise.tables.formats import BooleanFormat
from layerwise.types import Floats

MOST_TABLE = 2**22
"""The most numbers in the lookup table of a column of categories."""


def encoder_nodes(graph: Graph, encoder: TableEncoder) -> str:
    """Add an input (rows, 1) for each column, and return their encoding (rows, width).

    A column of numbers is float64, NaN for a missing value; of booleans likewise, 1 and 0; of categories, string, empty
    for a missing value; of dates, int64, seconds since 1970 in UTC, the smallest int64 for a missing value; of times of
    day likewise, seconds since midnight. Raises InvalidInput for encodings that ONNX cannot compute.
    """
    encoded: list[str] = []
    for column in encoder.columns:
        if isinstance(column, NumberColumn):
            x = graph.input(column.name, TensorProto.DOUBLE, 1)
            for gap in numbers_in(column.format.gaps):
                is_gap = graph.node("Equal", x, graph.double(gap))
                x = graph.node("Where", is_gap, graph.double(math.nan), x)
            encoded.append(_number(graph, x, column))
            if column.indicates:
                missing = graph.node("IsNaN", x, name=f"{x}/missing")
                encoded.append(graph.node("Cast", missing, name=f"{x}/indicator", to=TensorProto.DOUBLE))
        elif isinstance(column, DateColumn):
            encoded.append(_date(graph, column))
        elif isinstance(column, TextColumn):
            detail = "expected an encoding that ONNX can compute, got hashed_words; leave the column out"
            raise InvalidInput(Place("encoder", "columns", column.name), detail)
        else:
            encoded.append(_category(graph, column))
    joined = graph.node("Concat", *encoded, name="encoded/float64", axis=1)
    if encoder.constant:
        kept = np.ones((1, encoder.width))
        kept[:, encoder.constant] = 0
        joined = graph.node("Mul", joined, graph.array("encoded/kept", kept), name="encoded/varying")
    return joined if graph.dtype == np.float64 else graph.node("Cast", joined, name="encoded", to=graph.number_type)


def _number(graph: Graph, x: str, column: NumberColumn) -> str:
    where = x
    if column.fill is not None:
        x = graph.node("Where", graph.node("IsNaN", x), graph.double(column.fill), x, name=f"{where}/filled")
    if column.quantiles:
        return _ranks(graph, x, np.array(column.quantiles), where)
    if isinstance(column.encoding, Log):
        positive = graph.node("Max", x, graph.double(0))
        if column.encoding.negative == "error":
            refused = graph.node("Less", x, graph.double(0))
            positive = graph.node("Where", refused, graph.double(math.nan), positive)
        x = graph.node("Log", graph.node("Add", positive, graph.double(1)), name=f"{where}/logarithm")
    centred = graph.node("Sub", x, graph.double(column.shift), name=f"{where}/centred")
    return graph.node("Div", centred, graph.double(column.scale), name=f"{where}/scaled")


def _ranks(graph: Graph, x: str, known: NDArray[np.float64], where: str) -> str:
    """Return the share of the quantiles `known` below x, interpolated; in a run of equal ones, its middle."""
    last = len(known) - 1
    quantiles = graph.array(f"{where}/quantiles", known)

    def count(operator: str) -> str:
        found = graph.node("Cast", graph.node(operator, x, quantiles), to=TensorProto.DOUBLE)
        return graph.node("ReduceSum", found, graph.integers(1), name=f"{where}/{operator.lower()}", keepdims=1)

    def at(place: str) -> str:
        inside = graph.node("Clip", place, graph.double(0), graph.double(last))
        return graph.node("Gather", quantiles, graph.node("Cast", inside, to=TensorProto.INT64))

    below, upto, one = count("Greater"), count("GreaterOrEqual"), graph.double(1)
    before = graph.node("Sub", below, one)
    left, right = at(before), at(below)
    # within a run of equal quantiles the share is not used, but must not be NaN
    width = graph.node("Sub", right, left)
    safe = graph.node("Where", graph.node("Equal", width, graph.double(0)), one, width)
    share = graph.node("Div", graph.node("Sub", x, left), safe)
    between = graph.node("Add", before, share)
    middle = graph.node("Mul", graph.node("Add", before, upto), graph.double(0.5))
    rank = graph.node("Where", graph.node("Greater", upto, below), middle, between)
    rank = graph.node("Div", rank, graph.double(last))
    rank = graph.node("Where", graph.node("GreaterOrEqual", x, graph.double(known[-1])), one, rank)
    return graph.node(
        "Where", graph.node("LessOrEqual", x, graph.double(known[0])), graph.double(0), rank, name=f"{where}/rank"
    )


def _category(graph: Graph, column: CategoryColumn) -> str:
    """Return the row of a lookup table for each category."""
    if isinstance(column.encoding, Hashing):
        detail = "expected an encoding that ONNX can compute, got hashing; one_hot with as many categories is one"
        raise InvalidInput(Place("encoder", "columns", column.name), detail)
    table = _table(column)
    if table.size > MOST_TABLE:
        wanted = f"expected at most {math.isqrt(MOST_TABLE):,} categories of one_hot in ONNX"
        raise InvalidInput(Place("encoder", "columns", column.name), f"{wanted}, got {len(column.categories):,}")
    text = graph.input(column.name, TensorProto.STRING, 1)
    known = len(column.categories)
    places = {category: place for place, category in enumerate(column.categories)}
    places |= {text: places[boolean] for text, boolean in BOOLEANS.items() if boolean in places}
    if isinstance(column.format, BooleanFormat):
        given = column.format.arguments
        words = {"true": ("1", *given["true"]), "false": ("0", *given["false"])}
        places |= {word: places[truth] for truth in places for word in words[truth]}
    elif column.format.numeric:
        places |= {f"{category}.0": place for category, place in list(places.items()) if category.isdigit()}
    gaps = [word for word in column.format.gaps if word not in places]
    place = graph.node(
        "LabelEncoder",
        text,
        name=f"{text}/place",
        domain="ai.onnx.ml",
        keys_strings=[*places, *gaps],
        values_int64s=[*places.values(), *[known + 1] * len(gaps)],
        default_int64=known,
    )
    return graph.rows_of(graph.array(f"{text}/table", table), place, f"{text}/encoded")


def _table(column: CategoryColumn) -> Floats:
    """Return the lookup table (categories + 2, width): each category, then unseen ones, then a missing value."""
    known, width, one_hot = len(column.categories), column.width, isinstance(column.encoding, OneHot)
    table: Floats = np.zeros((known + 2, width))
    if one_hot:
        table[range(known), range(known)] = 1
    else:
        table[:known, 0] = np.arange(1, known + 1) / known
    own = known if one_hot else 1
    for row, policy in ((known, column.unseen), (known + 1, column.encoding.missing)):
        if policy == "error":
            table[row] = np.nan
        elif policy in ("other", "own"):
            table[row, own] = 1
            own += 1
    return table


def _date(graph: Graph, column: DateColumn) -> str:
    """Return the parts of a date and its missing indicator."""
    seconds = graph.input(column.name, TensorProto.INT64, 1)
    missing = graph.node("Equal", seconds, graph.integers(NO_TIME), name=f"{seconds}/missing")
    values = date_values(graph, graph.node("Where", missing, graph.integers(0), seconds), column)
    absent: Floats = np.zeros((1, column.width))
    if column.indicates:
        nothing = graph.node("Mul", graph.node("Cast", missing, to=TensorProto.DOUBLE), graph.double(0))
        values = graph.node("Concat", values, nothing, axis=1)
        absent[0, -1] = 1
    elif column.encoding.missing == "error":
        absent[:] = np.nan
    return graph.node("Where", missing, graph.array(f"{seconds}/absent", absent), values, name=f"{seconds}/encoded")
