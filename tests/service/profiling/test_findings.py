"""Findings: each is made by the table that it is for, and a clean table has none."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from helpers.profiled import findings, profiled
from layerwise import TableEncoder
from layerwise_service.domain.jobs import Task

ROWS = 400
Columns = dict[str, list[Any]]


def clean(rows: int = ROWS, seed: int = 0) -> Columns:
    """A table with numbers, categories and gaps, whose label depends on two of its columns."""
    draw = random.Random(seed)
    size = [round(draw.gauss(50, 10), 2) for _ in range(rows)]
    weight = [round(draw.lognormvariate(1, 1), 3) for _ in range(rows)]
    return {
        "size": size,
        "weight": [None if i % 17 == 3 else each for i, each in enumerate(weight)],
        "town": [draw.choice(["Ulm", "Bonn", "Köln", "York"]) for _ in range(rows)],
        "count": [int(draw.expovariate(0.1)) for _ in range(rows)],
        "price": [round(a + draw.gauss(0, 8), 2) for a in size],
        "label": ["high" if a + draw.gauss(0, 8) > 52 else "low" for a in size],
    }


def changed(**columns: Callable[[int], Any]) -> Columns:
    """The clean table with further or other columns; each gives its cell in a row."""
    return clean() | {name: [cell(i) for i in range(ROWS)] for name, cell in columns.items()}


@pytest.mark.parametrize("target", ["label", "price", "count", "town", ""])
def test_a_clean_table_has_no_findings(target: str) -> None:
    assert findings(clean(), target) == []


LABEL = clean()["label"]
PRICE = clean()["price"]
SIZE = clean()["size"]
FOUND: dict[str, tuple[Columns, str, tuple[str, ...]]] = {
    "constant": (changed(same=lambda i: "x"), "label", ("CONSTANT", "same")),
    "constant number": (changed(same=lambda i: 2013), "label", ("CONSTANT", "same")),
    "no value at all": (changed(same=lambda i: None), "label", ("EMPTY", "same")),
    "index": (changed(**{"": lambda i: i}), "label", ("INDEX", "column7")),
    "row number": (changed(n=lambda i: i + 1), "label", ("ALL_DIFFERENT", "n")),
    "shuffled number": (changed(n=lambda i: i * 7 % ROWS), "label", ("ALL_DIFFERENT", "n")),
    "id of digits": (changed(user_id=lambda i: 9_000_000 + i * 7919 % 100_003), "label", ("ALL_DIFFERENT", "user_id")),
    "id of letters": (changed(key=lambda i: f"k{i * 7919 % 100_003}"), "label", ("ALL_DIFFERENT", "key")),
    "mostly gaps": (changed(late=lambda i: i % 40 if i % 9 == 0 else None), "label", ("MOSTLY_GAPS", "late")),
    "extreme": (changed(size=lambda i: 9e9 if i == 7 else SIZE[i]), "label", ("EXTREME_NUMBERS", "size")),
    "code of gaps": (changed(size=lambda i: -999 if i % 50 == 7 else SIZE[i]), "label", ("CODE_OF_GAPS", "size")),
    "high code of gaps": (changed(size=lambda i: 9999 if i % 50 == 7 else SIZE[i]), "label", ("CODE_OF_GAPS", "size")),
    "capital": (changed(town=lambda i: ["Ulm", "Bonn", "ulm"][i % 3]), "label", ("NEARLY_IDENTICAL", "town")),
    "two blanks": (changed(town=lambda i: ["a b", "a  b"][i % 7 == 0]), "label", ("NEARLY_IDENTICAL", "town")),
    "letter": (changed(town=lambda i: ["K\u00f6ln", "Ko\u0308ln"][i % 2]), "label", ("NEARLY_IDENTICAL", "town")),
    "label": (changed(label=lambda i: "High" if i % 50 == 3 else LABEL[i]), "label", ("NEARLY_IDENTICAL", "label")),
    "copy": (changed(again=lambda i: SIZE[i]), "label", ("SAME_COLUMN", "again", "size")),
    "other unit": (changed(inch=lambda i: round(SIZE[i] / 2.54, 3)), "label", ("SAME_COLUMN", "inch", "size")),
    "other names": (changed(a=lambda i: "xyz"[i % 3], b=lambda i: i % 3 * 10), "label", ("SAME_COLUMN", "b", "a")),
    "class as number": (changed(code=lambda i: int(LABEL[i] == "high")), "label", ("GIVES_TARGET_AWAY", "code")),
    "gaps of a class": (
        changed(why=lambda i: None if LABEL[i] == "low" else "abc"[i % 3]),
        "label",
        ("GIVES_TARGET_AWAY", "why"),
    ),
    "amount": (changed(gross=lambda i: round(PRICE[i] ** 3 / 900)), "price", ("GIVES_TARGET_AWAY", "gross")),
    "unbalanced": (changed(label=lambda i: "yes" if i % 16 == 3 else "no"), "label", ("UNBALANCED", "label")),
    "rare class": (changed(label=lambda i: "odd" if i in (5, 99) else LABEL[i]), "label", ("RARE_CLASSES", "label")),
    "many classes": (changed(label=lambda i: f"title {i}" if i % 2 else "other"), "label", ("MANY_CLASSES", "label")),
    "one class": (changed(label=lambda i: "yes"), "label", ("TARGET_CONSTANT", "label")),
    "count as classes": (changed(visits=lambda i: i * i % 37 % 15), "visits", ("AMOUNT_AS_CLASSES", "visits")),
    "codes as amount": (changed(letter=lambda i: i * 11 % 26), "letter", ("CLASSES_AS_AMOUNT", "letter")),
    "in the order of time": (
        changed(day=lambda i: f"20{10 + i // 120}-{1 + i // 10 % 12:02}-{1 + i % 10:02}"),
        "label",
        ("TIME_ORDER", "day"),
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_a_finding_is_made_and_no_other(name: str) -> None:
    table, target, found = FOUND[name]

    assert findings(table, target) == [found]


def test_a_row_number_gives_away_the_class_of_rows_that_are_sorted_by_it() -> None:
    order = sorted(range(ROWS), key=LABEL.__getitem__)
    table = {name: [column[i] for i in order] for name, column in clean().items()} | {"row": list(range(ROWS))}

    assert findings(table, "label") == [("ALL_DIFFERENT", "row"), ("GIVES_TARGET_AWAY", "row")]


def test_copies_of_rows_are_found_but_not_those_that_are_equal_by_chance() -> None:
    table = clean()
    copied = {name: [*column, *column[:40]] for name, column in table.items()}
    few_values = {name: [i // size % 3 for i in range(ROWS)] for name, size in (("a", 1), ("b", 3), ("c", 9))}

    found = profiled(copied).findings

    assert [each.reason for each in found] == ["DUPLICATE_ROWS"]
    assert found[0].message.startswith("40 rows of 440 (9.09 %) are copies of another")
    assert findings(few_values) == []
    assert findings({name: [*column, column[0]] for name, column in table.items()}) == []  # one does no harm


def test_copies_with_other_ids_are_copies() -> None:
    copied = {name: [*column, *column[:40]] for name, column in clean().items()}

    assert [each[0] for each in findings(copied | {"n": list(range(440))})] == ["DUPLICATE_ROWS", "ALL_DIFFERENT"]


def test_rows_that_are_in_training_and_validation_are_found() -> None:
    table, other = clean(), clean(100, seed=1)
    both = {name: [*other[name], *column[:25]] for name, column in table.items()}

    found = profiled(table, target="label", validation=both).findings

    assert [each.reason for each in found] == ["ROWS_IN_BOTH"]
    assert found[0].message.startswith("25 of the 125 validation rows (20 %) are also training rows")
    assert findings(table, "label", validation=other) == []
    assert ("OTHER_KIND", "count") in findings(table, validation=other | {"count": [f"n{i % 5}" for i in range(100)]})


def test_few_rows_for_the_network_are_found() -> None:
    words = [f"word{i * 13 % 71} word{i * 29 % 83} word{i % 97}" for i in range(100)]

    assert findings(clean(25), "label") == [("FEW_ROWS",)]
    wide = profiled(clean(100) | {"remark": words}, target="label").findings
    assert [(each.reason, each.flag) for each in wide] == [("FEW_ROWS", "--hidden 8")]
    assert "256 of them from remark" in wide[0].message
    numbers = {f"n{i}": [j * i * 7919 % 10_007 / 8 for j in range(100)] for i in range(1, 300)}
    (many,) = (
        each for each in profiled(numbers | {"y": ["a", "b"] * 50}, target="y").findings if each.flag == "--hidden 8"
    )
    assert "as the columns become 299 inputs: leave out columns" in many.message


def test_the_inputs_for_few_rows_are_those_that_the_columns_become() -> None:
    rows = 60
    table: Columns = {
        "key": [f"key{i * 7919 % 1000}" for i in range(rows)],
        "number": [i * 7 % rows for i in range(rows)],
        "constant": [3] * rows,
        "size": [i * 7919 % 101 / 8 for i in range(rows)],
        "gaps": [None if i % 7 == 0 else i * 31 % 17 for i in range(rows)],
        "kind": [f"c{i * 13 % 40}" for i in range(rows)],
        "day": [f"2013-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(rows)],
        "at": [f"{i % 24}:{i % 60:02}" for i in range(rows)],
    }
    inputs = TableEncoder().fit(table).width
    left_out: Columns = {"": list(range(rows)), "none": [None] * rows, "text": [f"a {i % 9} b" for i in range(rows)]}

    found = profiled(table | left_out | {"y": ["p", "q"] * 30}, target="y", ignore=("text",)).findings

    assert next(each for each in found if each.reason == "FEW_ROWS").message.endswith(
        f"as the columns become {inputs} inputs, 60 of them from key: leave out columns, or take fewer units"
    )


def test_what_was_asked_for_is_not_doubted() -> None:
    visits = changed(visits=lambda i: i * i % 37 % 15)

    assert findings(visits, "visits", task=Task.AMOUNT) == []


def test_columns_that_are_left_out_have_no_findings() -> None:
    table = changed(n=lambda i: i, code=lambda i: int(LABEL[i] == "high"), day=lambda i: f"2013-{1 + i // 34:02}-01")

    assert findings(table, "label") != []
    assert findings(table, "label", ignore=("n", "code")) == []


def test_a_sample_shows_no_more_than_it_can() -> None:
    rows = 40_000
    seldom = [f"c{i % 9000}" if i % 2 else f"s{i % 30}" for i in range(rows)]
    names = [f"n{i // 256 % 120} {i % 256}" for i in range(rows)]  # some are there twice, in no run of 256 rows
    table = {
        "name": names,
        "mostly": ["a" if i < rows - 9 else "b" for i in range(rows)],
        "x": [i * 7919 % 10_007 / 8 for i in range(rows)],
        "remark": [f"word{i * 13 % 71} word{i * 29 % 83} word{i % 97}" for i in range(rows)],
        "label": seldom,
    }

    found = profiled(table, target="label", quick=True)

    assert found.sampled_rows < 12_500
    assert [(each.reason, each.columns) for each in found.findings] == []


def test_the_task_follows_from_all_rows() -> None:
    table = {"y": [i % 5 if i < 70_000 else i % 50 for i in range(70_040)], "x": [i % 7 / 3 for i in range(70_040)]}

    found = profiled(table, target="y", quick=True)

    assert found.why == "more than 20 different whole numbers are an amount"


def test_flags_can_be_pasted_into_a_shell() -> None:
    found = profiled(changed(**{"it's same": lambda i: "x", "also same": lambda i: 1})).findings

    assert [(each.columns, each.flag) for each in found] == [
        (("it's same", "also same"), """--ignore 'it'"'"'s same' --ignore 'also same'""")
    ]
