"""What counts as missing: masked values of NumPy, and texts that say so among numbers and dates."""

from typing import Any

import numpy as np
import pytest

from layerwise import MLP, Architecture, InvalidInput, Layer, OneHot, Standardize, TableEncoder
from layerwise.standalone import to_standalone

MASK = [False, True, False, True]
MASKED = {
    "float": np.ma.array([1.0, 1e6, 3.0, np.inf], mask=MASK),
    "half": np.ma.array([1, 2, 3, 4], np.float16, mask=MASK),
    "int": np.ma.array([2**60 + 1, 7, 2**60 + 1, 7], mask=MASK),
    "bool": np.ma.array([True, True, False, False], mask=MASK),
    "text": np.ma.array(["a", "x", "b", "x"], mask=MASK),
    "object": np.ma.array(["a", 7, "b", []], object, mask=MASK),
    "day": np.ma.array(["2013-01-01", "1600-01-01", "2014-01-01", "1600-01-01"], "M8[D]", mask=MASK),
}
CHOICES = {"int": "one_hot"}
CELLS: dict[str, list[Any]] = {
    "float": [1.0, None, 3.0, None],
    "half": [1.0, None, 3.0, None],
    "int": [2**60 + 1, None, 2**60 + 1, None],
    "bool": [True, None, False, None],
    "text": ["a", None, "b", None],
    "object": ["a", None, "b", None],
    "day": ["2013-01-01", None, "2014-01-01", None],
}


class Frame:
    """A table that names its columns and gives each by its name."""

    columns = tuple(MASKED)

    def __getitem__(self, name):
        return MASKED[name]


class Series:
    """A column of a DataFrame, that NumPy gets as a masked array."""

    def __init__(self, values):
        self.dtype, self.to_numpy = values.dtype, lambda: values


def masked_rows():
    return [{name: values[i] for name, values in MASKED.items() if name != "day"} | {"day": day} for i, day in DAYS]


DAYS = list(enumerate(CELLS["day"]))
FORMS = {
    "mapping": MASKED,
    "frame": Frame(),
    "series": {name: Series(values) if name != "day" else values for name, values in MASKED.items()},
    "rows": masked_rows(),
    "lists": {name: list(values) if name != "day" else CELLS["day"] for name, values in MASKED.items()},
}


@pytest.mark.parametrize("form", FORMS)
def test_a_masked_value_is_missing(form):
    wanted = TableEncoder(CHOICES).fit(CELLS)

    found = TableEncoder(CHOICES).fit(FORMS[form])

    assert found == wanted
    assert found.encode(FORMS[form]).tobytes() == wanted.encode(CELLS).tobytes()
    assert wanted.encode(FORMS[form]).tobytes() == wanted.encode(CELLS).tobytes()


def test_a_masked_number_that_was_never_missing_is_refused_and_never_enters():
    encoder = TableEncoder().fit({"x": [1.0, 3.0]})

    for values in np.ma.array([1.0, 1e6], mask=[False, True]), [1.0, np.ma.masked]:
        with pytest.raises(ValueError, match=r"^rows\[1\]\.x: expected a number, got a missing value; this column"):
            encoder.encode({"x": values})


def test_a_mask_that_masks_nothing_changes_nothing():
    for values in np.ma.array([1, 3]), np.ma.array([1.0, 3.0], mask=[False, False]):
        (column,) = TableEncoder().fit({"x": values}).columns
        assert (column.encoding, column.shift, column.scale) == (Standardize(missing="error"), 2.0, 1.0)
    for values in np.ma.array([True, False]), np.ma.array(["a", "b"], mask=[False, False]):
        assert TableEncoder().fit({"x": values}).columns[0].encoding == OneHot(missing="error", unseen="none")


WORDS = ["nan", "NaN", "NA", "N/A", "null", "NULL"]
TEXTS: dict[str, list[Any]] = {
    "number": ["1", "3", *WORDS],
    "mixed": [1, 3.0, *WORDS],
    "bytes": np.array(["1", "3", *WORDS], "S"),
    "day": ["2013-01-01", "2014-01-01T10:00", *WORDS],
    "kind": ["a", "b", *WORDS],
    "rank": ["1", "3", *WORDS],
}
BLANKS = [None] * len(WORDS)
BLANK = {name: values if name in ("kind", "rank") else [*values[:2], *BLANKS] for name, values in TEXTS.items()}
RANKED = {"rank": "ordinal"}


def rows_of(table):
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]


def test_texts_that_say_so_are_missing_among_numbers_and_dates_and_categories_elsewhere():
    found, wanted = TableEncoder(RANKED).fit(TEXTS), TableEncoder(RANKED).fit(BLANK)

    assert [column.kind for column in found.columns] == ["number"] * 3 + ["date"] + ["category"] * 2
    assert found == wanted
    assert [column.encoding.missing for column in found.columns] == ["indicator"] * 4 + ["error"] * 2
    assert found.columns[4].categories == ("N/A", "NA", "NULL", "NaN", "a", "b", "nan", "null")
    assert found.columns[5].categories == ("1", "3", "N/A", "NA", "NULL", "NaN", "nan", "null")
    for encoder in found, TableEncoder.from_json(found.to_json()):
        for table in TEXTS, rows_of(TEXTS):
            assert encoder.encode(table).tobytes() == wanted.encode(BLANK).tobytes()
        rows = [encoder.encode([row]) for row in rows_of(TEXTS)]
        assert np.vstack(rows).tobytes() == wanted.encode(BLANK).tobytes()


def test_texts_that_say_so_are_refused_where_nothing_was_missing():
    encoder = TableEncoder().fit({"x": ["1", "3"], "day": ["2013-01-01", "2014-01-01"]})

    for cells, message in [({"x": "NA"}, "x: expected a number, got 'NA'"), ({"day": "null"}, "day: expected a date,")]:
        row = {"x": "1", "day": "2013-01-01"} | cells
        for table in [row], {name: [value] for name, value in row.items()}:
            with pytest.raises(InvalidInput) as caught:
                encoder.encode(table)
            assert str(caught.value).startswith(f"rows[0].{message}")


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_texts_that_say_so_count_alike_wherever_a_block_ends(size):
    table = {name: values[::-1] for name, values in TEXTS.items()}
    blocks = [{name: values[i : i + size] for name, values in table.items()} for i in range(0, 8, size)]

    found = TableEncoder(RANKED).fit_blocks(blocks)

    np.testing.assert_allclose(found.encode(TEXTS), TableEncoder(RANKED).fit(TEXTS).encode(TEXTS), rtol=1e-6)


def test_a_program_takes_the_same_for_missing():
    table = {"x": ["1", "3", *WORDS, None], "day": [*TEXTS["day"], ""], "kind": [*TEXTS["kind"], None]}
    table |= {"masked": np.ma.array([1.5] * 9, mask=[False] * 8 + [True])}
    encoder = TableEncoder().fit(table)
    model = MLP(Architecture(encoder.width, (Layer(3, "relu"), Layer(2))))
    model.encoder = encoder
    program: dict[str, Any] = {"__name__": "program"}

    exec(to_standalone(model), program)

    for given in table, rows_of(table), rows_of(table)[-1:]:
        np.testing.assert_allclose(program["outputs"](given), model.outputs(given), rtol=0, atol=1e-5)
