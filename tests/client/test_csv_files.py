"""CSV files become tables and targets, or an error that names file, line and column."""

import io
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from layerwise_client import InvalidRequest
from layerwise_client._data.places import invalid
from layerwise_client.cli.csv_records import missing_cells, read
from layerwise_client.cli.csv_table import open_file, told_by_line


def records(data):
    header, below = read(io.BytesIO(data if isinstance(data, bytes) else data.encode()), "flights.csv")
    return header, list(below)


@pytest.fixture
def opened(tmp_path):
    """The training data of a file with this content."""

    def open_text(text, *, target="t", task=None, drop=False, missing=(), **options):
        (tmp_path / "flights.csv").write_text(text)
        return open_file(
            tmp_path / "flights.csv", target=target, task=task, drop=drop, missing=missing_cells(missing), **options
        )

    return open_text


def columns(training):
    block = training.table.block(0, training.table.count)
    return dict(zip(block.names, block.values, strict=True))


@pytest.mark.parametrize(
    "data",
    [
        "a,b,label\n1,2,x\n3,4,y\n",
        "a,b,label\n1,2,x\n3,4,y",
        "a,b,label\r\n1,2,x\r\n3,4,y\r\n",
        "\ufeffa,b,label\n1,2,x\n3,4,y\n",
        '\ufeff"a","b","label"\r\n"1","2","x"\r\n"3","4","y"\r\n',
        "a,b,label\r1,2,x\r3,4,y\r",
        "a, b, label\n 1, 2 , x\n3,4, y\n\n\n",
    ],
    ids=["plain", "no last newline", "CRLF", "CR", "byte order mark", "quoted", "blanks"],
)
def test_a_file_is_read_however_it_was_written(data):
    assert records(data) == (("a", "b", "label"), [(2, ["1", "2", "x"]), (3, ["3", "4", "y"])])


def test_lines_are_those_of_an_editor_also_after_a_cell_of_several_lines():
    assert records('t,a\n"x,\ny",1\ny\u2028z,2\n')[1] == [(2, ["x,\ny", "1"]), (4, ["y\u2028z", "2"])]


def test_column_numbers_as_pandas_writes_them_are_a_header():
    assert records("0,1,2\n5,6,7\n")[0] == ("0", "1", "2")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "flights.csv is empty; expected a header"),
        ("a,b\n", "flights.csv: no rows below the header"),
        ("a,b\n1,2\n1,2,3\n", "flights.csv line 3: expected 2 columns, got 3"),
        ("a,b\n1\n", "flights.csv line 2: expected 2 columns, got 1"),
        ("a,b\n1,2\n\n3,4\n", "flights.csv line 3 is empty"),
        ("a,b,a\n1,2,3\n", "flights.csv line 1: two columns have the name a"),
        ("a,,b\n1,2,3\n", "flights.csv line 1: column 2 has no name"),
        ("5.1,3.5\n4.9,3.0\n", "flights.csv line 1: expected a header with column names, got numbers"),
        ("a;b\n1;2\n", "flights.csv: columns are separated by ';'; expected commas"),
        ("a\tb\n1\t2\n", r"flights.csv: columns are separated by '\\t'; expected commas"),
        (b"a,b\n1,2\nx,M\xfcller\n", "flights.csv line 3, character 4: expected UTF-8, got the byte 0xfc; .*iconv"),
        ("a,b\n1,2\n".encode("utf-16"), "flights.csv: expected UTF-8, got UTF-16; `iconv"),
        ('a,b\n1,"2\n', "flights.csv line 2: not CSV"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_line(data, message):
    with pytest.raises(InvalidRequest, match=message):
        records(data)


def test_texts_stand_in_the_table_as_in_the_file_and_words_for_gaps_do_not(opened):
    training = opened("carrier,t,distance\nAA,1,1400\nNA,0,\nDL,1,nan\nÜA,0,007\n")

    assert columns(training) == {"carrier": ["AA", "", "DL", "ÜA"], "distance": ["1400", "", "", "007"]}
    assert training.targets.take(0, 4).tolist() == [1, 0, 1, 0]
    assert training.classes == 2


def test_other_words_for_gaps_take_the_place_of_the_usual_ones(opened):
    training = opened("country,t\nNA,1\n?,0\n", missing={"", "?"})

    assert columns(training) == {"country": ["NA", ""]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "x"}, "flights.csv has no column x; its columns are a, b, t"),
        ({"encodings": ["c"]}, "flights.csv has no column c; its columns are a, b, t"),
        ({"ignored": ["c"]}, "flights.csv has no column c; its columns are a, b, t"),
        ({"encodings": ["t"]}, "encoder.columns.t: t is the target"),
        ({"ignored": ["t"]}, "encoder.ignore.t: t is the target"),
    ],
)
def test_options_that_do_not_fit_the_header_are_refused(opened, options, message):
    with pytest.raises(InvalidRequest, match=message):
        opened("a,b,t\n1,2,0\n3,4,1\n", **options)


def test_a_file_of_the_target_alone_is_refused(opened):
    with pytest.raises(InvalidRequest, match="no column beside the target t"):
        opened("t\n1\n0\n")


def test_a_row_without_a_target_is_refused_or_left_out(opened):
    text = "a,t\n1,x\n2,NA\n3,\n4,y\n"

    training = opened(text, drop=True)

    assert (training.table.count, training.dropped) == (2, 2)
    assert (columns(training), training.targets.take(0, 2).tolist()) == ({"a": ["1", "4"]}, ["x", "y"])
    assert [training.line(row) for row in (0, 1)] == [2, 5]
    with pytest.raises(InvalidRequest, match="line 3, column t: expected a value, got NA; --drop-missing-target"):
        opened(text)
    with pytest.raises(InvalidRequest, match="column t: no row has a value"):
        opened("a,t\n1,NA\n", drop=True)


def test_a_few_texts_among_numbers_are_refused_unless_something_says_what_they_are(opened):
    text = "a,b,t\n" + "".join(f"{'?' if index == 40 else index},x,{index % 2}\n" for index in range(100))

    with pytest.raises(InvalidRequest, match=re.escape("line 42, column a: expected a number, got '?', as 99 of 100")):
        opened(text)
    for options in ({"encodings": ["a"]}, {"ignored": ["a"]}, {"missing": {"", "?"}}, {"inferred": False}):
        assert opened(text, **options).table.count == 100
    assert opened("a,t\n" + "N1,0\n12,1\n" * 50).table.count == 100  # half of them are no numbers: names


@pytest.mark.parametrize(
    ("cells", "task", "dtype", "values"),
    [
        (["1", "0"], None, "i", [1, 0]),
        (["-1", "2"], "classification", "i", [-1, 2]),
        (["1", "0"], "regression", "f", [1, 0]),
        (["1.5", "0"], None, "f", [1.5, 0]),
        (["1.0", "0.0"], None, "f", [1, 0]),
        (["1.0", "0.0"], "classification", "i", [1, 0]),
        (["1.5", "0"], "classification", "U", ["1.5", "0"]),
        (["a", "b"], None, "U", ["a", "b"]),
        (["1", "b"], None, "U", ["1", "b"]),
        (["007", "1"], None, "U", ["007", "1"]),
        (["inf", "-inf"], None, "U", ["inf", "-inf"]),
        (["1", "9" * 30], "classification", "U", ["1", "9" * 30]),
    ],
)
def test_a_target_is_what_its_cells_look_like_unless_the_task_says_otherwise(opened, cells, task, dtype, values):
    expected = opened("a,t\n" + "".join(f"0,{cell}\n" for cell in cells), task=task).targets

    y = expected.take(0, 2)
    assert (y.dtype.kind, y.tolist()) == (dtype, values)
    assert expected.classification == (dtype != "f")


@pytest.mark.parametrize(
    ("cells", "task", "message"),
    [
        (["1", "x"], "regression", "flights.csv line 3, column t: expected a number, got 'x'"),
        (["1", "inf"], "regression", "flights.csv line 3, column t: expected a number, got 'inf'"),
        (["x" * 50, "1"], "regression", f"flights.csv line 2, column t: expected a number, got '{'x' * 37}…'"),
        (["AA", "AA"], None, "column t: expected two classes or more, got 'AA' in all 2 rows"),
        (["3", "3"], None, "column t: expected two classes or more, got '3' in all 2 rows"),
        ([str(index) for index in range(51)], None, "column t: 51 different whole numbers in 51 rows; pass --task"),
    ],
)
def test_a_target_that_does_not_fit_is_refused(opened, cells, task, message):
    with pytest.raises(InvalidRequest, match=message):
        opened("a,t\n" + "".join(f"0,{cell}\n" for cell in cells), task=task)


def test_blocks_may_be_halved_asked_for_twice_and_begun_anew(opened):
    training = opened("a,t\n" + "".join(f"{index},{index % 2}\n" for index in range(10)))
    take = training.table.take

    assert take(0, 8) == [[str(index) for index in range(8)]]
    assert training.targets.take(0, 8).tolist() == [0, 1] * 4
    assert take(0, 4) == [["0", "1", "2", "3"]]
    assert take(4, 6) == [["4", "5"]]
    assert take(6, 10) == [["6", "7", "8", "9"]]
    assert take(0, 3) == [["0", "1", "2"]]


def test_a_file_that_shrinks_between_its_readings_is_noticed(opened, tmp_path):
    training = opened("a,t\n" + "1,0\n2,1\n" * 5)
    (tmp_path / "flights.csv").write_text("a,t\n1,0\n")

    with pytest.raises(InvalidRequest, match="has changed while it was read: it had 10 rows"):
        training.table.block(0, 10)


def test_an_error_about_a_row_is_told_with_its_line(opened):
    training = opened("a,t\n1,0\n2,1\n")
    wrong = invalid(("X", 1, "a"), "expected a number, got 'x'")

    with (
        pytest.raises(InvalidRequest, match=r"^flights.csv line 3, column a: expected"),
        told_by_line(training),
    ):
        raise wrong


def test_memory_does_not_grow_with_the_file(tmp_path: Path):
    def peak(rows):
        line = ",".join(["0.123456789", "JFK"] * 10)
        with (tmp_path / "large.csv").open("w") as file:
            file.write(",".join(f"c{index}" for index in range(20)) + ",t\n")
            file.writelines(f"{line},{index % 3}\n" for index in range(rows))
        tracemalloc.start()
        training = open_file(tmp_path / "large.csv", target="t", task=None, drop=False, missing={""})
        for start in range(0, rows, 2_000):
            training.table.block(start, start + 2_000)
            training.targets.take(start, start + 2_000)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(2_000)  # what is imported at first use

    assert peak(24_000) < 1.3 * peak(8_000)


def test_labels_are_int64_text_or_float64(opened):
    kinds = {"1,2": np.int64, "x,y": np.str_, "0.5,2": np.float64}

    for cells, kind in kinds.items():
        first, second = cells.split(",")
        y = opened(f"a,t\n0,{first}\n0,{second}\n").targets.take(0, 2)
        assert y.dtype.type is kind
