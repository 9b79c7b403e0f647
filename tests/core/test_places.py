"""Where something is wrong: a place is data, whatever the names in it look like."""

import ast
import copy
import json
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.column_names import AWKWARD_NAMES
from layerwise import Architecture, InvalidInput, TableEncoder
from layerwise.errors import Place, within


@pytest.mark.parametrize(
    ("steps", "text", "pointer"),
    [
        ((), "", ""),
        (("",), "", ""),
        (("units",), "units", "/units"),
        (("layers", 0, "units"), "layers[0].units", "/layers/0/units"),
        (("X", 3, 1), "X[3][1]", "/X/3/1"),
        (("rows", 17, "Sepal.Length"), "rows[17].Sepal.Length", "/rows/17/Sepal.Length"),
        (("rows", 0, "a/b~c"), "rows[0].a/b~c", "/rows/0/a~1b~0c"),
        (("rows", 0, ""), "rows[0].", "/rows/0/"),
    ],
)
def test_a_place_has_a_text_and_a_json_pointer(steps: tuple[str | int, ...], text: str, pointer: str) -> None:
    place = Place(*steps)

    assert (str(place), place.json_pointer) == (text, pointer)


def test_a_place_within_another_is_one_place() -> None:
    outer = Place("batches", 2)

    assert Place(outer, "table", Place("rows", 3, "a.b")) == ("batches", 2, "table", "rows", 3, "a.b")
    assert Place(outer, "") == ("batches", 2, "")
    assert Place("", "units") == Place("units")


def test_a_place_survives_copies_pickles_and_json() -> None:
    place = Place("rows", 3, "a.b")
    error = InvalidInput(place, "expected less", "TOO_MUCH")

    assert pickle.loads(pickle.dumps(place)) == copy.deepcopy(place) == Place(*json.loads(json.dumps(place))) == place
    again = pickle.loads(pickle.dumps(error))
    assert (again.place, again.detail, again.reason, str(again)) == (
        place,
        "expected less",
        "TOO_MUCH",
        "rows[3].a.b: expected less",
    )


def test_an_error_raised_within_a_place_keeps_its_own() -> None:
    with pytest.raises(InvalidInput) as caught, within("models", 1), within("layers", 0):
        raise InvalidInput("units", "expected more", "TOO_FEW")

    assert (caught.value.place, caught.value.reason) == (("models", 1, "layers", 0, "units"), "TOO_FEW")
    assert caught.value.pointer == "models[1].layers[0].units"


def test_the_place_of_a_wrong_layer_is_known_by_its_steps() -> None:
    with pytest.raises(InvalidInput) as caught:
        Architecture.from_json({"inputs": 2, "layers": [{"units": 3}, {"units": 0}]})

    assert caught.value.place == ("layers", 1, "units")


@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_a_columns_name_is_one_step_whatever_it_holds(name: str) -> None:
    encoder = TableEncoder().fit({name: [1.0, 2.0, 4.0], "other": ["a", "b", "c"]})
    wrong = [
        ([{name: 1.0, "other": "a"}, {name: "abc", "other": "a"}], ("rows", 1, name)),
        ({name: [1.0, "abc"], "other": ["a", "b"]}, ("rows", 1, name)),
        ({"other": ["a"]}, ("columns", name)),
        ({name: [1.0, 2.0], "other": ["a"]}, ("columns", "other")),
    ]

    for table, place in wrong:
        with pytest.raises(InvalidInput) as caught:
            encoder.encode(table)
        assert caught.value.place == place
    with pytest.raises(InvalidInput) as caught:
        TableEncoder.from_json({"columns": {name: {"kind": "one_hot", "most": 0}}})
    assert caught.value.place == ("columns", name, "most")
    with pytest.raises(InvalidInput) as caught:
        TableEncoder().fit({name: [None, None], "other": ["a", "b"]})
    assert (caught.value.place, caught.value.reason) == (("columns", name), "EMPTY_COLUMN")


ROOT = Path(__file__).parents[2]
SOURCES = [path for root in ("core", "service", "clients/python") for path in sorted((ROOT / root).rglob("*.py"))]
OUTERMOST = {ROOT / "clients/python/layerwise_client/errors.py"}
"""What makes a text of a place, besides `Place` itself."""


def handmade(tree: ast.AST) -> Iterator[int]:
    """The lines on which a place is made by hand: f"rows[{i}]", or a place of an error with a dot or bracket in it."""
    for node in ast.walk(tree):
        first = node.values[0] if isinstance(node, ast.JoinedStr) else None
        if isinstance(first, ast.Constant) and re.match(r"[\w.]+\[$", str(first.value)):
            yield first.lineno
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            places = node.args[:1] if name in ("InvalidInput", "invalid", "within") else []
            places += [each.value for each in node.keywords if each.arg in ("pointer", "place", "where")]
            for place in places:
                text = str(place.value) if isinstance(place, ast.Constant) else ""
                if isinstance(place, ast.JoinedStr) or re.search(r"\w[.\[]", text):
                    yield place.lineno


@pytest.mark.parametrize(
    "line",
    [
        'text = f"rows[{i}]"',
        'raise InvalidInput(f"{where}.weight", "expected a number")',
        'raise InvalidInput("plan.epochs", "expected a number")',
        'raise InvalidRequest("no", pointer=f"X[{row}]")',
    ],
)
def test_a_place_that_is_made_by_hand_is_found(line: str) -> None:
    assert list(handmade(ast.parse(line)))


def test_only_the_outermost_layer_makes_text_of_a_place() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in SOURCES
        if path not in OUTERMOST
        for line in handmade(ast.parse(path.read_text()))
    ]

    assert len(SOURCES) > 200
    assert found == []
