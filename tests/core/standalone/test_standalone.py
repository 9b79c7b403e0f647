"""Networks as programs of their own: run where Layerwise cannot be imported."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.exported import ARCHITECTURES, ENCODERS, LOSSES, NEW_ROWS, ROWS, TABLE, network, table, table_network
from layerwise import MLP, Architecture, DateFormat, InvalidInput, Layer, Plan, TableEncoder
from layerwise.standalone import export_standalone, to_standalone

# Runs many programs in one process, for starting one and importing NumPy takes most of the time.
ELSEWHERE = """
import importlib.util, io, json, sys, warnings
from contextlib import redirect_stdout
import numpy as np
warnings.simplefilter("error")
sys.modules["layerwise"] = None  # to import it is an error
found = {}
for path in sys.argv[2:]:
    spec = importlib.util.spec_from_file_location("program", path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    rows = np.load(sys.argv[1])
    said = io.StringIO()
    with redirect_stdout(said):
        program.check()
    found[path] = {
        "predict": program.predict(rows).tolist(),
        "proba": program.predict_proba(rows).tolist() if hasattr(program, "predict_proba") else None,
        "one": program.predict(rows[:1].tolist()).tolist(),
        "none": list(program.predict(rows[:0]).shape),
        "labels": program.LABELS,
        "check": said.getvalue(),
    }
print(json.dumps({"found": found, "modules": [name.split(".")[0] for name in sys.modules]}))
"""


def python(*arguments, folder, text=""):
    """Python alone: no environment, no site of the user, in another folder; NumPy comes from where it is installed."""
    return subprocess.run(
        [sys.executable, "-I", *arguments],
        input=text,
        cwd=folder,
        env={},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What the program of every network of the table answers, by architecture, loss and dtype."""
    folder = tmp_path_factory.mktemp("programs")
    np.save(folder / "rows.npy", ROWS)
    cases = [(*case, np.float32) for case in TABLE] + [(each, "softmax", np.float64) for each in ARCHITECTURES]
    paths = {}
    for i, case in enumerate(cases):
        paths[str(folder / f"m{i}.py")] = case
        (folder / f"m{i}.py").write_text(to_standalone(network(*case)))
    ended = python("-c", ELSEWHERE, str(folder / "rows.npy"), *paths, folder=folder)
    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout)
    assert not {"scipy", "onnx"} & set(answer["modules"])
    return {paths[path]: each for path, each in answer["found"].items()}


@pytest.mark.parametrize(
    ("architecture", "loss", "dtype"),
    [(*case, np.float32) for case in TABLE] + [(each, "softmax", np.float64) for each in ARCHITECTURES],
)
def test_the_program_predicts_the_same(found, architecture, loss, dtype):
    model, answers = network(architecture, loss, dtype), found[architecture, loss, dtype]

    predicted = model.predict(ROWS)

    if predicted.dtype.kind == "f":
        np.testing.assert_allclose(answers["predict"], predicted, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(answers["one"], predicted[:1], rtol=1e-5, atol=1e-5)
    else:
        assert answers["predict"] == predicted.tolist()
        assert answers["one"] == predicted[:1].tolist()
    assert answers["none"] == [0, *predicted.shape[1:]]
    if model.gives_probabilities:
        np.testing.assert_allclose(answers["proba"], model.predict_proba(ROWS), rtol=0, atol=1e-5)
    else:
        assert answers["proba"] is None
    assert answers["labels"] == (list(model.labels) if model.labels else None)
    assert answers["check"].startswith("ok: the outputs of 8 rows differ by at most ")


@pytest.fixture
def program(tmp_path):
    """The path of a program, the network in it, and how it is run."""
    model, path = network("relu"), tmp_path / "program.py"
    export_standalone(model, path)
    return path, model, lambda *arguments, text="": python(str(path), *arguments, folder=tmp_path, text=text)


HEAD = "a,b,c,d,e\n"
CSV = "\n".join(",".join(map(repr, row)) for row in ROWS.tolist())


@pytest.mark.parametrize("text", [CSV, HEAD + CSV, json.dumps(ROWS.tolist())], ids=["csv", "csv with names", "json"])
def test_rows_from_the_standard_input_are_predicted_line_by_line(program, text):
    _, model, run = program

    assert [json.loads(line) for line in run(text=text).stdout.splitlines()] == model.predict(ROWS).tolist()
    probabilities = [json.loads(line) for line in run("--proba", text=text).stdout.splitlines()]
    np.testing.assert_allclose(probabilities, model.predict_proba(ROWS), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3,4,5\n1,2,3,4\n", "row 1: expected 5 numbers, got 4"),
        ("1,2,3,4,5\n1,2,x,4,5\n", "row 1, column 2: expected a number, got 'x'"),
        ("1,2,3,4,nan\n", "row 0, column 4: expected a finite number within float32, got nan"),
        ("1,2,3,4,1e39\n", "row 0, column 4: expected a finite number within float32, got 1e+39"),
        ("[[1, 2, 3, 4, null]]", "row 0, column 4: expected a number, got None"),
        (f"[[1, 2, 3, 4, {10**400}]]", "row 0, column 4: expected a number, got 1000"),
        ('[[1, 2, 3, 4, "5"]]', "row 0, column 4: expected a number, got '5'"),
        ("[1, 2, 3, 4, 5]", "row 0: expected a list of 5 numbers, got 1"),
        ("[[1, 2", "Expecting ',' delimiter"),
        ("a,b,c,d,e\n", "expected lines of 5 numbers, got none"),
        ("", "expected lines of 5 numbers, got none"),
    ],
)
def test_a_wrong_row_is_named(program, text, message):
    path, _, run = program

    ended = run(text=text)

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"{path}: ")
    assert message in ended.stderr


def test_rows_are_read_from_a_file_too(program, tmp_path):
    _, model, run = program
    (tmp_path / "rows.csv").write_text(HEAD + CSV)

    plain, sure = run(str(tmp_path / "rows.csv")), run(str(tmp_path / "rows.csv"), "--proba")

    assert [json.loads(line) for line in plain.stdout.splitlines()] == model.predict(ROWS).tolist()
    np.testing.assert_allclose(
        [json.loads(line) for line in sure.stdout.splitlines()], model.predict_proba(ROWS), rtol=0, atol=1e-5
    )
    missing = run(str(tmp_path / "none.csv"))
    assert missing.returncode == 1
    assert missing.stderr.endswith(f"No such file or directory: '{tmp_path}/none.csv'\n")


def test_the_self_check_finds_a_weight_that_was_changed(program):
    path, _, run = program
    assert run("--check").returncode == 0
    source = path.read_text()
    start = source.index('"""\n', source.index('"layer1/weight": array(')) + 4

    path.write_text(source[:start] + ("A" if source[start] != "A" else "B") * 8 + source[start + 8 :])

    ended = run("--check")
    assert ended.returncode == 1
    assert ended.stderr.startswith("the outputs differ by ")


def test_an_argument_it_does_not_know_shows_what_it_is(program):
    _, _, run = program

    for arguments in (["--help"], ["a.csv", "b.csv"], ["--check", "a.csv"]):
        ended = run(*arguments)

        assert ended.returncode == 1
        assert "predict(X)" in ended.stderr
        assert "--check" in ended.stderr


def test_the_program_has_the_code_of_its_layers_alone():
    source = to_standalone(network("silu", "squared error"))

    assert "def silu" in source
    assert not [name for name in ("relu", "softmax", "predict_proba", "batch_normal", "--proba") if name in source]


def test_what_would_not_fit_a_program_is_refused(monkeypatch):
    monkeypatch.setattr("layerwise.standalone.export.MOST_BYTES", 443)

    with pytest.raises(InvalidInput, match="model: expected at most 443 bytes of weights, got 444"):
        to_standalone(network("relu"))


def test_every_loss_of_the_table_is_written_alike_twice():
    for loss in LOSSES:
        assert to_standalone(network("tanh", loss)) == to_standalone(network("tanh", loss))


TABLES = """
import importlib.util, json, sys, warnings
warnings.simplefilter("error")
sys.modules["layerwise"] = None  # to import it is an error
tables, answers = json.load(sys.stdin), {}
for path in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location("program", path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    program.check()
    answers[path] = []
    for columns in tables:
        rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
        for given in (columns, rows, *([row] for row in rows[:6])):
            try:
                answers[path].append([program.predict(given).tolist(), program.predict_proba(given).tolist()])
            except ValueError as error:
                answers[path].append(str(error))
print(json.dumps(answers))
"""
CASES = [(encoder, "relu") for encoder in [*ENCODERS, "hashed"]] + [
    ("inferred", each) for each in ARCHITECTURES if each != "relu"
]


def table_model(encoder, architecture):
    if encoder != "hashed":
        return table_network(encoder, architecture)
    return table_network({"label": {"kind": "hashing", "buckets": 5}}, architecture)


@pytest.fixture(scope="module")
def of_tables(tmp_path_factory):
    """What the programs of networks with an encoder answer for both tables, whole, as rows, and row by row."""
    folder = tmp_path_factory.mktemp("tables")
    paths = {str(folder / f"m{i}.py"): case for i, case in enumerate(CASES)}
    for path, case in paths.items():
        Path(path).write_text(to_standalone(table_model(*case)))
    ended = python("-c", TABLES, *paths, folder=folder, text=json.dumps([table(), NEW_ROWS]))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("ok: the outputs of 8 rows") == len(CASES)
    return {paths[path]: answers for path, answers in json.loads(ended.stdout.splitlines()[-1]).items()}


def test_a_program_tells_rows_unlike_those_of_the_training_on_stderr(tmp_path):
    rows = 40
    encoder = TableEncoder({"id": "hashing"}).fit(
        {
            "age": list(range(20, 20 + rows)),
            "pet": ["cat", "dog"] * (rows // 2),
            "id": [f"i{i % 8}" for i in range(rows)],
            "day": [f"2013-01-{1 + i % 28:02}" for i in range(rows)],
            "gap": [None, *range(rows - 1)],
        }
    )
    model = MLP(Architecture(encoder.width, (Layer(1),)))
    model.encoder = encoder
    (tmp_path / "m.py").write_text(to_standalone(model))
    lines = [
        "age,pet,id,day,gap",
        "30,cat,i1,2013-01-05,1",
        "900,bird,i1,2031-01-05,",
        ",dog,i9,,2",
        ",dog,i2,2013-01-05,2",
    ]

    usual, odd = (python("m.py", folder=tmp_path, text="\n".join(lines[:stop])) for stop in (2, 5))

    assert (len(usual.stdout.splitlines()), usual.stderr) == (1, "")
    assert len(odd.stdout.splitlines()) == 4
    assert odd.stderr.splitlines() == [
        "warning: age: row 1, '900': this is far outside the range in training",
        "warning: age: 2 rows, first row 2, '': training had no gaps in this column",
        "warning: pet: row 1, 'bird': training had no such category",
        "warning: id: row 2, 'i9': training had no such category",
        "warning: day: row 1, '2031-01-05': this is far outside the range in training",
        "warning: day: row 2, '': training had no gaps in this column",
    ]


@pytest.mark.parametrize(("encoder", "architecture"), CASES)
def test_a_program_takes_tables_as_its_network_does(of_tables, encoder, architecture):
    model, answers = table_model(encoder, architecture), iter(of_tables[encoder, architecture])
    accepted = 0

    for columns in (table(), NEW_ROWS):
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        for given in (columns, rows, *([row] for row in rows[:6])):
            answer = next(answers)
            try:
                labels, probabilities = model.predict(given), model.predict_proba(given)
            except InvalidInput:
                assert isinstance(answer, str)
                continue
            accepted += 1
            assert answer[0] == labels.tolist()
            np.testing.assert_allclose(answer[1], probabilities, rtol=0, atol=1e-5)

    assert accepted >= 8  # all of the rows it was fitted on


def test_a_program_reads_csv_by_the_names_of_its_columns(tmp_path):
    model = table_network("inferred")
    export_standalone(model, tmp_path / "m.py")
    columns = table()
    lines = [
        ",".join(["extra", *columns]),
        *(",".join(["?", *map(str, row)]) for row in zip(*columns.values(), strict=True)),
    ]

    ended = python(str(tmp_path / "m.py"), folder=tmp_path, text="\n".join(lines).replace("None", ""))

    assert [json.loads(line) for line in ended.stdout.splitlines()] == model.predict(columns).tolist()
    marked = "\ufeff" + lines[0].replace(",", " ,") + "\n" + "\n".join(lines[1:]).replace("None", "")
    again = subprocess.run(
        [sys.executable, "-I", "-X", "utf8", str(tmp_path / "m.py")],
        input=marked.encode(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert again.stdout.decode() == ended.stdout
    ended = python(str(tmp_path / "m.py"), folder=tmp_path, text="1,2\n")
    assert "expected a line of column names and lines of values, got only ['1', '2']" in ended.stderr
    ended = python(str(tmp_path / "m.py"), folder=tmp_path, text="distance,stops\n1,2\n")
    assert "expected a value of 'label' in every row" in ended.stderr
    ended = python(str(tmp_path / "m.py"), folder=tmp_path, text='[{"distance": "far", "stops": 1}]')
    assert "row 0, 'distance': expected a number, got 'far'" in ended.stderr


@pytest.fixture(scope="module")
def dated(tmp_path_factory):
    """A program of a table with a date and a column whose name begins with a space, and its model."""
    columns = {" lead": [1.0, 2.0, 4.0], "day": ["2001-01-01", "2013-05-06", "2020-07-08"]}
    encoder = TableEncoder().fit(columns)
    model, path = MLP(Architecture(encoder.width, (Layer(1),)), seed=0), tmp_path_factory.mktemp("dated") / "m.py"
    model.encoder, model.plan = encoder, Plan(loss="squared_error")
    export_standalone(model, path)
    return path, model, columns


@pytest.mark.parametrize(
    ("column", "value", "wanted"),
    [
        ("day", "0001-01-01T00:00+14:00", DateFormat().wanted),
        ("day", "9999-12-31T23:59-01:00", DateFormat().wanted),
        ("day", "Dec 31, 9999 11:59 PM -0100", DateFormat().wanted),
        ("day", "1 Jan 0001 0:00 +14:00", DateFormat().wanted),
        (" lead", 10**400, "a number"),
    ],
)
def test_a_program_refuses_what_is_beyond_its_numbers_and_dates(dated, column, value, wanted):
    path, model, _ = dated
    row = {" lead": 1.0, "day": "2001-01-01"} | {column: value}

    ended = python(str(path), folder=path.parent, text=json.dumps([row]))

    assert ended.stderr.startswith(f"{path}: row 0, {column!r}: expected {wanted}, got ")
    with pytest.raises(InvalidInput):
        model.predict([row])


def test_a_program_names_the_row_of_a_date_beyond_the_calendar(dated):
    path, _, _ = dated
    days = [np.datetime64("2001-01-01"), np.datetime64("20000-01-01")]

    with pytest.raises(ValueError, match=r"^row 1, 'day': expected a date of the years 1 to 9999$"):
        runpy.run_path(str(path))["predict"]({" lead": [1.0, 2.0], "day": days})


@pytest.mark.parametrize("header", [" lead,day", " lead, day "])
def test_a_column_whose_name_begins_with_a_space_is_read_from_csv(dated, header):
    path, model, columns = dated
    lines = [f"{lead},{day}" for lead, day in zip(*columns.values(), strict=True)]

    ended = python(str(path), folder=path.parent, text="\n".join([header, *lines]))

    found = [json.loads(line) for line in ended.stdout.splitlines()]
    np.testing.assert_allclose(found, model.predict(columns), rtol=1e-6)


def test_the_probes_of_a_column_stay_within_float32():
    encoder = TableEncoder(columns={"x": "log"}).fit({"x": [1.0, 2.0, 4.0]})
    forged = encoder.to_json()
    forged["fitted"][0]["scale"] = 2.0**40
    model = MLP(Architecture(encoder.width, (Layer(1),)), seed=0)
    model.encoder = TableEncoder.from_json(forged)

    assert "probe_rows" in to_standalone(model)
