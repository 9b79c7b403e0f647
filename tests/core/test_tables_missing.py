"""What counts as missing: masked values of NumPy, and texts that say so among numbers and dates."""

import numpy as np
import pytest

from layerwise import OneHot, Standardize, TableEncoder

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
CELLS = {
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

    columns = list(MASKED)

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
        with pytest.raises(ValueError, match=r"^rows\[1\]\.x: expected a number, got (nan|masked)$"):
            encoder.encode({"x": values})


def test_a_mask_that_masks_nothing_changes_nothing():
    for values in np.ma.array([1, 3]), np.ma.array([1.0, 3.0], mask=[False, False]):
        (column,) = TableEncoder().fit({"x": values}).columns
        assert (column.encoding, column.shift, column.scale) == (Standardize(missing="error"), 2.0, 1.0)
    for values in np.ma.array([True, False]), np.ma.array(["a", "b"], mask=[False, False]):
        assert TableEncoder().fit({"x": values}).columns[0].encoding == OneHot(missing="error", unseen="none")
