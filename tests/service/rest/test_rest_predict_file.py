"""POST /predict with a table file as the body: how it is read, what is answered, and how what is wrong is told."""

from __future__ import annotations

import csv
import gzip
import io
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from helpers.odd_tables import npz
from helpers.published import publish, publish_classifier
from helpers.rest_clients import running_rest
from layerwise import MLP, Architecture, BooleanFormat, DateFormat, Layer, NumberFormat, Plan, TableEncoder, fit
from layerwise_service.settings import Settings

TABLE: dict[str, list[Any]] = {
    "size": ["1,5", "2.000,25", "3", ""],
    "colour": ["red", "light blue", "red", "light blue"],
    "new": ["ja", "nein", "ja", "nein"],
    "day": ["01.02.2024", "02.03.2024", "13.12.2024", "05.06.2024"],
}
FORMATS = {
    "size": NumberFormat(decimal=",", thousands="."),
    "new": BooleanFormat(true=("ja",), false=("nein",)),
    "day": DateFormat(),
}
ROW = {"size": "1.234", "colour": "light blue", "new": "ja", "day": "03.04.2024"}
FILE = (
    b"id;day;colour;size;new;note\n0007;03.04.2024; light blue;1.234;ja;x\n9007199254740993;01.02.2024;red;1,5;nein;y\n"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        home=str(tmp_path_factory.mktemp("files") / "home"), max_predict_rows=50, max_body_bytes=10_000, max_columns=20
    )


@pytest.fixture(scope="module")
def network(home: Settings) -> MLP:
    """That of the version sales/1, trained on German numbers and dates."""
    encoder = TableEncoder(formats=FORMATS).fit(TABLE)
    found = MLP(Architecture(encoder.width, (Layer(4, "relu"), Layer(2))))
    found.encoder = encoder
    plan = Plan(epochs=2)
    for _ in fit(found, TABLE, ["no", "yes", "yes", "no"], plan=plan):
        pass
    publish_classifier(home, "sales", found, plan)
    return found


@pytest.fixture(scope="module")
def rest(home: Settings, network: MLP) -> Iterator[FlaskClient]:
    with running_rest(home) as client:
        yield client


def test_a_row_means_the_same_in_a_file_and_in_json(rest: FlaskClient, network: MLP) -> None:
    """On its own this row could be read otherwise: 1.234 as a fraction, April the third as March the fourth."""
    body = "\n".join([";".join(ROW), ";".join(ROW.values())]).encode()

    asked = "/predict?model=sales&version=latest"
    of_file = rest.post(asked, data=gzip.compress(body), content_type="text/csv").get_json()
    of_json = rest.post("/predict", json={"model": "sales", "instances": [ROW]}).get_json()

    assert of_file == of_json | {"unused": []}
    assert of_file["probabilities"] == [pytest.approx(network.predict_proba([ROW])[0].tolist(), abs=1e-6)]


def test_kept_columns_are_as_in_the_file_and_unknown_ones_are_named(rest: FlaskClient) -> None:
    answer = rest.post("/predict?keep=id&keep=size", data=FILE, content_type="text/csv").get_json()

    assert answer["kept"] == {"id": ["0007", "9007199254740993"], "size": [1234.0, 1.5]}
    assert answer["unused"] == ["note"]


def test_the_answer_is_csv_for_who_wants_csv(rest: FlaskClient, network: MLP) -> None:
    response = rest.post(
        "/predict?keep=id&keep=size", data=FILE, headers={"Accept": "text/csv"}, content_type="text/csv"
    )

    assert response.mimetype == "text/csv"
    header, *lines = csv.reader(io.StringIO(response.text))
    assert header == ["id", "size", "prediction", "no", "yes"]
    assert [line[:2] for line in lines] == [["0007", "1234"], ["9007199254740993", "1.5"]]
    rows = [ROW, {"size": 1.5, "colour": "red", "new": False, "day": "2024-02-01"}]
    assert [line[2] for line in lines] == network.predict(rows).tolist()
    assert np.array([line[3:] for line in lines], np.float32) == pytest.approx(network.predict_proba(rows), abs=1e-6)


def test_csv_says_how_many_warnings_the_answer_has_and_no_name_twice(rest: FlaskClient) -> None:
    body = b"id;day;colour;size;new;yes\n1;03.04.2024;green;99999,5;ja;x\n"
    asked = {"data": body, "content_type": "text/csv"}

    told = rest.post("/predict?keep=yes", **asked).get_json()["warnings"]
    response = rest.post("/predict?keep=yes", headers={"Accept": "text/csv"}, **asked)

    assert response.headers["X-Layerwise-Warnings"] == str(len(told)) != "0"
    assert response.text.splitlines()[0] == "yes,prediction,no,yes_2"


def test_an_error_in_the_query_names_the_parameter(rest: FlaskClient) -> None:
    asked = ("keep=nothing", "keep=", "version=9", "speed=1", "model=other")

    answers = [rest.post(f"/predict?{query}", data=FILE, content_type="text/csv").get_json() for query in asked]

    found = [{name for name in each["errors"][0] if name != "detail"} for each in answers if "errors" in each]
    named = [each["errors"][0]["parameter"] for each in answers if "errors" in each]
    assert all(names == {"parameter", "place"} for names in found)
    assert named == ["keep", "keep", "version", "speed", "model"]


@pytest.mark.parametrize(
    ("body", "status", "reason", "place", "words"),
    [
        (
            FILE.replace(b"1,5", b"about 2"),
            400,
            "BAD_CELL",
            ["rows", 1, "size"],
            "expected a number with a decimal comma",
        ),
        (b"%PDF-1.7 ...", 400, "NOT_A_TABLE", None, "the file is a PDF document"),
        (FILE.replace(b"colour", b"color"), 400, "MISSING_COLUMN", ["columns", "colour"], "did you mean color?"),
        (
            b"a,b\n" + b"1,2\n" * 60,
            413,
            "TOO_MANY_ROWS",
            None,
            "expected at most 50 rows, the file has more; send larger files with `layerwise predict`",
        ),
        (
            b"a,b\n" + b"1,2\n" * 6000,
            413,
            "BODY_TOO_LARGE",
            None,
            "a body may have 10000 bytes; send larger files with",
        ),
        (b'{"a": 1}\n' * 60, 413, "TOO_MANY_ROWS", None, "expected at most 50 rows"),
        (npz(a=np.arange(51)), 413, "TOO_MANY_ROWS", None, "expected at most 50 rows"),
        (
            gzip.compress(b"a,b\n" + b"1,2\n" * 25_000, mtime=0),
            413,
            "DATASET_TOO_LARGE",
            None,
            "at most 80000 bytes when unpacked, the file has more; send larger files with",
        ),
        (b"", 400, "EMPTY_FILE", None, "the file is empty"),
    ],
)
def test_a_file_that_cannot_be_predicted_is_told(
    rest: FlaskClient, home: Settings, body: bytes, status: int, reason: str, place: Any, words: str
) -> None:
    response = rest.post("/predict", data=body, content_type="application/octet-stream")

    problem = response.get_json()
    assert (response.status_code, problem["reason"]) == (status, reason)
    assert words in problem["detail"]
    if place is not None:
        assert problem["errors"][0]["place"] == place
    assert list((home.home_path / "artifacts" / "incoming").glob("*/*")) == []


def test_nothing_of_a_file_is_stored(rest: FlaskClient) -> None:
    form = {"file": (io.BytesIO(FILE), "rows.csv")}

    assert rest.post("/predict", data=form).status_code == 200

    assert rest.get("/api/datasets").json == {"datasets": [], "next_page_token": ""}


def test_a_body_of_another_type_is_refused_with_both_ways(rest: FlaskClient) -> None:
    response = rest.post("/predict", data=b"a,b", content_type="application/x-www-form-urlencoded")

    assert response.status_code == 415
    assert "-H 'Content-Type: application/json', or a table file with text/csv" in response.get_json()["detail"]


@pytest.fixture(scope="module")
def numbers(home: Settings, rest: FlaskClient) -> str:
    """The name of a model that takes three columns of numbers in their order."""
    network = MLP(Architecture(3, (Layer(1),)))
    network.plan = Plan()
    publish(home, "numbers", network, network.plan, labels=None)
    return "numbers"


def predicted(rest: FlaskClient, model: str, body: bytes, **more: Any) -> Any:
    return rest.post(f"/predict?model={model}", data=body, content_type="text/csv", **more).json


def test_what_the_file_as_a_whole_leaves_in_doubt_is_told_with_its_predictions(rest: FlaskClient, numbers: str) -> None:
    def doubts(body: bytes) -> list[tuple[str, int]]:
        return [(each["reason"], each["rows"]) for each in predicted(rest, numbers, body)["warnings"]]

    assert doubts(b"5.1,3.5,1.4\n4.9,3.0,1.4\n6.3,3.3,6.0\n") == [("NO_HEADER", 0)]  # two predictions of three rows
    assert ("LINES_SKIPPED", 0) in doubts(b"a,b,c\n1,2,3\n4,5,6\n,,\n")
    assert "warnings" not in predicted(rest, numbers, b"a,b,c\n1,2,3\n4,5,6\n")


def test_the_names_of_rows_that_r_writes_are_no_column_and_a_cell_too_many_is_a_fault(
    rest: FlaskClient, numbers: str
) -> None:
    plain = predicted(rest, numbers, b"a,b,c\n1,2,3\n4,5,6\n")["predictions"]
    for names in ("12", "xy", ("Mazda RX4", '"a"')):
        found = predicted(rest, numbers, "a,b,c\n{},1,2,3\n{},4,5,6\n".format(*names).encode())
        assert "WRONG_FEATURE_COUNT" in str(found) or found["predictions"] == plain
    for rows in ("0,1,2,3\n0,4,5,6\n", "1,2,3,4\n", "0,5,0.2,0.1\n1,7,0.1,0.1\n", "1,2,3\n4,5,6,7\n"):
        found = predicted(rest, numbers, f"a,b,c\n{rows}".encode())
        assert (found["status"], found["reason"]) == (400, "BAD_LINE")
        assert "expected 3 cells" in found["detail"]


def test_a_file_that_curl_sends_without_its_type_is_told_the_type(rest: FlaskClient, numbers: str) -> None:
    answer = rest.post(
        "/predict?model=numbers", data=b"a,b,c\n1,2,3\n", content_type="application/x-www-form-urlencoded"
    )
    assert answer.status_code == 415
    assert "a table file with text/csv" in answer.json["detail"]


def test_csv_is_read_as_utf_8_by_any_client(rest: FlaskClient, numbers: str) -> None:
    answer = rest.post(
        "/predict?model=numbers", data=b"a,b,c\n1,2,3\n", content_type="text/csv", headers={"Accept": "text/csv"}
    )
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"


def test_an_array_cannot_hold_contributions_as_well(rest: FlaskClient, numbers: str) -> None:
    answer = rest.post(
        "/predict",
        json={"model": numbers, "instances": [[1, 2, 3]], "explain": True},
        headers={"Accept": "application/x-npy"},
    )
    assert (answer.status_code, "expected one output" in str(answer.json)) == (400, True)


@pytest.mark.parametrize("row", ['{"size": "1", "size": "2"}', '{"size": "1"}, {"new": "ja", "day": "", "day": ""}'])
def test_a_column_that_a_row_has_twice_is_refused(rest: FlaskClient, row: str) -> None:
    body = f'{{"model": "sales", "instances": [{row}]}}'
    answer = rest.post("/predict", data=body, content_type="application/json")
    assert (answer.status_code, "is repeated in one object" in str(answer.json)) == (400, True)


def test_values_that_are_nested_deeply_take_no_time(rest: FlaskClient) -> None:
    depth = 900
    values = ",".join(['""'] * 20_000)
    body = f'{{"model": "sales", "instances": [[{"[" * depth}{values}{"]" * depth}],""]}}'
    start = time.perf_counter()
    answer = rest.post("/predict", data=body, content_type="application/json")
    assert answer.status_code in (400, 413)
    assert time.perf_counter() - start < 0.3  # it was 0.6 s, in the event loop
