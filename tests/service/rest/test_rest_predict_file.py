"""POST /predict with a table file as the body: how it is read, what is answered, and how what is wrong is told."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from helpers.odd_tables import npz
from helpers.published import publish_classifier
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
