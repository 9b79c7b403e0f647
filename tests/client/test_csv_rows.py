"""CSV files become rows, or an error that names file, row and column."""

import io

import numpy as np
import pytest

from layerwise_client import InvalidRequest
from layerwise_client.cli import csv_rows


def read(data, target=None):
    return csv_rows.read(io.BytesIO(data if isinstance(data, bytes) else data.encode()), "flights.csv", target=target)


@pytest.mark.parametrize(
    "data",
    [
        "a,b,label\n1,2,x\n3,4,y\n",
        "a,b,label\n1,2,x\n3,4,y",
        "a,b,label\r\n1,2,x\r\n3,4,y\r\n",
        "\ufeffa,b,label\n1,2,x\n3,4,y\n",
        '\ufeff"a","b","label"\r\n"1","2","x"\r\n"3","4","y"\r\n',
        "a,b,label\r1,2,x\r3,4,y\r",
        "a, b, label\n 1, 2.0, x\n3,4e0, y\n\n\n",
    ],
    ids=["plain", "no last newline", "CRLF", "CR", "byte order mark", "quoted", "blanks"],
)
def test_a_file_is_read_however_it_was_written(data):
    table = read(data, target="label")

    assert table.X.dtype == np.float32
    assert table.X.tolist() == [[1, 2], [3, 4]]
    assert (table.columns, table.cells) == (("a", "b"), ["x", "y"])


def test_a_label_may_hold_anything_that_csv_can_quote():
    assert read('t,a\n"x,\ny",1\ny\u2028z,2\n', target="t").cells == ["x,\ny", "y\u2028z"]


def test_the_target_may_be_any_column():
    assert read("a,t,b\n1,9,2\n", target="t").X.tolist() == [[1, 2]]
    assert read("t,a,b\n9,1,2\n", target="t").X.tolist() == [[1, 2]]


def test_without_a_target_every_column_is_a_feature():
    table = read("a,b\n1,2\n")

    assert (table.columns, table.cells) == (("a", "b"), None)


def test_column_numbers_as_pandas_writes_them_are_a_header():
    assert read("0,1,2\n5,6,7\n").X.tolist() == [[5, 6, 7]]


@pytest.mark.parametrize(
    ("data", "target", "message"),
    [
        ("", None, "flights.csv is empty"),
        ("a,b\n", None, "flights.csv: no rows below the header"),
        (
            "a,dep_time\n" + "1,2\n" * 15 + "1,NA\n",
            None,
            "flights.csv row 17, column dep_time: expected a number, got 'NA'",
        ),
        ("a,b\n1,\n", None, "flights.csv row 2, column b: expected a number, got ''"),
        ("a,b\n1,1_000\n", None, "flights.csv row 2, column b: expected a number, got '1_000'"),
        ("a,b\n1," + "x" * 50 + "\n", None, f"got '{'x' * 37}…'"),
        ("a,b\n1,2\n3,nan\n", None, "flights.csv row 3, column b: expected a finite number .*, got nan"),
        ("a,b\n1,2\n1e39,4\n", None, "flights.csv row 3, column a: expected a finite number within float32's range"),
        ("a,b\n1,2\n1,2,3\n", None, "flights.csv row 3: expected 2 columns, got 3"),
        ("a,b\n1\n", None, "flights.csv row 2: expected 2 columns, got 1"),
        ("a,b\n1,2\n\n3,4\n", None, "flights.csv row 3 is empty"),
        ("a,b,a\n1,2,3\n", None, "flights.csv row 1: two columns have the name a"),
        ("a,,b\n1,2,3\n", None, "flights.csv row 1: column 2 has no name"),
        ("5.1,3.5\n4.9,3.0\n", None, "flights.csv row 1: expected a header with column names, got numbers"),
        ("a,b\n1,2\n", "label", "flights.csv has no column label; its columns are a, b"),
        ("label\n1\n", "label", "flights.csv has no column beside the target label"),
        ("a;b\n1;2\n", None, "flights.csv: columns are separated by ';'; expected commas"),
        ("a\tb\n1\t2\n", None, r"flights.csv: columns are separated by '\\t'; expected commas"),
        (b"a,b\n1,\xff\n", None, "flights.csv after row 0: expected UTF-8 text, got byte 0xff"),
        ("a,b\n1,\0\n", None, "flights.csv row 2"),
        ('a,b\n1,"2\n', None, "flights.csv row 2: not CSV"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_place(data, target, message):
    with pytest.raises(InvalidRequest, match=message):
        read(data, target=target)


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
        (["inf", "nan"], None, "U", ["inf", "nan"]),
        (["1", "9" * 30], "classification", "U", ["1", "9" * 30]),
    ],
)
def test_a_target_is_what_its_cells_look_like_unless_the_task_says_otherwise(cells, task, dtype, values):
    table = read("a,t\n" + "".join(f"0,{cell}\n" for cell in cells), target="t")

    y = csv_rows.targets(table, task)

    assert (y.dtype.kind, y.tolist()) == (dtype, values)


@pytest.mark.parametrize(
    ("cells", "task", "message"),
    [
        (["1", ""], None, "flights.csv row 3, column t: expected a value, got nothing"),
        (["1", "NA"], "regression", "flights.csv row 3, column t: expected a number, got 'NA'"),
        (["1", "inf"], "regression", "flights.csv row 3, column t: expected a number, got 'inf'"),
    ],
)
def test_a_target_that_does_not_fit_is_refused_with_its_row(cells, task, message):
    table = read("a,t\n" + "".join(f"0,{cell}\n" for cell in cells), target="t")

    with pytest.raises(InvalidRequest, match=message):
        csv_rows.targets(table, task)


@pytest.mark.parametrize(
    ("column", "scale"),
    [
        ([-1, 0, 1], None),
        ([0, 8, 16], None),
        ([5, 5, 5], None),
        ([-20, 0, 20], ("a", 0, 16.33)),
        ([0, 500, 1000], ("a", 500, 408.2)),
        ([100, 101, 102], ("a", 101, 0.8165)),
    ],
)
def test_a_column_far_from_mean_0_and_deviation_1_is_found(column, scale):
    table = read("b,a\n" + "".join(f"{index % 2},{value}\n" for index, value in enumerate(column)))

    found = csv_rows.unscaled(table)
    assert (found and found.column, found and found[1:]) == (
        scale and scale[0],
        scale and pytest.approx(scale[1:], rel=1e-3, abs=1e-9),
    )


def test_a_large_file_takes_little_more_memory_than_its_numbers():
    import tracemalloc

    rows, columns = 20_000, 50
    line = ",".join(["0.123456789"] * columns) + "\n"
    data = (",".join(f"c{index}" for index in range(columns)) + "\n" + line * rows).encode()

    tracemalloc.start()
    table = read(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert table.X.shape == (rows, columns)
    assert peak < len(data) + 2.5 * table.X.nbytes  # the data itself is in memory here, and the array grows by steps
