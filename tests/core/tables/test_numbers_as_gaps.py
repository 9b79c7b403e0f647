"""A number that means a missing value, such as -999, means it however it is written and by whatever way it comes."""

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from layerwise import MLP, Architecture, BooleanFormat, CategoryFormat, Layer, NumberFormat, TableEncoder
from layerwise.tables.format import Format

CODES = ("-999", "-999.0", " -999.00", -999, -999.0, np.float32(-999), np.int64(-999), Decimal("-999.0"))
FORMATS = [
    NumberFormat(gaps=("-999.0",)),
    NumberFormat(gaps=("-999",)),
    BooleanFormat(gaps=("-999",)),
    CategoryFormat(gaps=("-999.0",), numeric=True),
]


def fitted(form: Format) -> TableEncoder:
    return TableEncoder(formats={"a": form}).fit({"a": [0, 1, None, 1, 0]})


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("code", CODES, ids=lambda code: f"{type(code).__name__} {code}")
def test_a_code_is_a_gap_in_every_spelling_and_type(form: Format, code: Any) -> None:
    encoder = fitted(form)

    assert form.read(code) is None
    for table in ({"a": [code, 1]}, [{"a": code}, {"a": 1}], pd.DataFrame({"a": [code, 1]})):
        assert encoder.encode(table).tolist() == encoder.encode({"a": [None, 1]}).tolist()
    if not isinstance(code, str | Decimal):
        assert encoder.encode({"a": np.array([code, 1])}).tolist() == encoder.encode({"a": [None, 1]}).tolist()


@pytest.mark.parametrize("form", FORMATS)
def test_a_code_is_a_gap_to_a_single_row(form: Format) -> None:
    model = MLP(Architecture(inputs=fitted(form).width, layers=(Layer(2),)), seed=0)
    model.encoder = fitted(form)

    for code in CODES:
        assert model.outputs([{"a": code}]).tolist() == model.outputs([{"a": None}]).tolist()


def test_the_callers_numbers_stay_as_they_are() -> None:
    given = np.array([-999.0, 1.0])
    fitted(FORMATS[0]).encode({"a": given})

    assert given.tolist() == [-999.0, 1.0]
