"""/api/datasets: files in bodies and forms become datasets, which are listed, shown and deleted."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from helpers.dataset_requests import WEATHER
from helpers.rest_clients import running_rest
from layerwise_service.settings import Settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=str(tmp_path_factory.mktemp("datasets") / "home"), max_dataset_bytes=100_000)


@pytest.fixture(scope="module")
def rest(settings: Settings) -> Iterator[FlaskClient]:
    with running_rest(settings) as client:
        yield client


@pytest.fixture(scope="module")
def weather(rest: FlaskClient) -> dict[str, Any]:
    """The dataset of WEATHER."""
    answer = rest.post("/api/datasets?name=weather.csv", data=WEATHER, content_type="text/csv")
    assert answer.status_code == 201, answer.text
    return dict(answer.get_json())


def left(settings: Settings) -> list[Path]:
    """Files of uploads and of readers."""
    artifacts = settings.home_path / "artifacts"
    return [*(artifacts / "uploads").iterdir(), *(artifacts / "incoming").iterdir()]


def problem(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["reason"]


def test_a_body_becomes_a_dataset_and_says_how_it_was_read(
    settings: Settings, rest: FlaskClient, weather: dict[str, Any]
) -> None:
    kinds = {column["name"]: column["kind"] for column in weather["columns"]}
    assert kinds == {"date": "date", "at": "time", "city": "category", "rain": "boolean", "mm": "number"}
    assert weather["columns"][4]["format"]["decimal"] == ","
    assert (weather["columns"][4]["distinct_estimated"], weather["columns"][4]["doubts"]) == (False, [])
    assert (weather["name"], weather["rows"]) == ("weather.csv", 3)
    assert weather["file_sha256"] == hashlib.sha256(WEATHER).hexdigest()
    assert rest.get(f"/api/datasets/{weather['id']}").get_json() == weather
    short = {name: value for name, value in weather.items() if name not in ("columns", "doubts")}
    assert rest.get("/api/datasets?page_size=1000").get_json()["datasets"] == [short]
    assert left(settings) == []


def test_rows_are_answered_as_json(rest: FlaskClient, weather: dict[str, Any]) -> None:
    rows = rest.get(f"/api/datasets/{weather['id']}/rows").get_json()

    assert rows == {
        "columns": ["date", "at", "city", "rain", "mm"],
        "rows": [
            ["2012-09-06", "14:05:00", "Ulm", True, 1.5],
            ["2012-09-07", "09:30:00", "Bonn", False, None],
            ["2012-09-30", None, None, None, 1234.25],
        ],
        "offset": 0,
        "next_offset": None,
    }
    page = rest.get(f"/api/datasets/{weather['id']}/rows?offset=1&limit=1").get_json()
    assert (page["rows"], page["next_offset"]) == (rows["rows"][1:2], 2)
    for query in ("offset=4", "limit=1001", "offset=x", "limit=-1", "rows=1"):
        assert rest.get(f"/api/datasets/{weather['id']}/rows?{query}").status_code == 400


def test_rows_as_csv_become_the_same_dataset_again(rest: FlaskClient, weather: dict[str, Any]) -> None:
    rows = rest.get(f"/api/datasets/{weather['id']}/rows?format=csv")

    assert (rows.status_code, rows.mimetype) == (200, "text/csv")
    assert rows.data == (
        b'date,at,city,rain,mm\n2012-09-06,14:05:00,Ulm,yes,"1,5"\n2012-09-07,09:30:00,Bonn,no,\n'
        b'2012-09-30,,,,"1234,25"\n'
    )
    formats = json.dumps({column["name"]: column["format"] for column in weather["columns"]})
    again = rest.post("/api/datasets", query_string={"formats": formats}, data=rows.data)
    assert again.get_json()["id"] == weather["id"]


def test_rows_as_csv_need_no_formats_where_the_file_had_the_usual_ones(rest: FlaskClient) -> None:
    lines = [f'{i},{i / 7!r},"a ""b"", {i % 3}",2013-01-{i % 28 + 1:02},"line\n{i % 5}"' for i in range(40)]
    content = "\n".join(["id,x,name,day,note", *lines, ",1e300,,,", ""])
    made = rest.post("/api/datasets", data=content.encode()).get_json()

    rows = rest.get(f"/api/datasets/{made['id']}/rows", headers={"Accept": "text/csv"})

    assert rest.post("/api/datasets", data=rows.data).get_json()["id"] == made["id"]
    assert rest.get("/api/datasets/none/rows?format=csv").status_code == 404
    for query in ("rows?format=xml", "rows?format=", "rows?format=csv&offset=1", "profile?task=", "profile?task=x"):
        assert rest.get(f"/api/datasets/{made['id']}/{query}").status_code == 400


def test_the_document_of_the_api_has_what_is_answered(rest: FlaskClient) -> None:
    document = rest.get("/openapi.json").get_json()

    rows = document["paths"]["/api/datasets/{dataset}/rows"]["get"]["responses"]["200"]["content"]
    hashed = document["components"]["schemas"]["TableDataset"]["properties"]["file_sha256"]["pattern"]
    assert set(rows) == {"application/json", "text/csv"}
    assert [bool(re.search(hashed, text)) for text in ("", "0" * 64, "0")] == [True, True, False]  # "" of a table


def test_a_query_chooses_how_columns_are_read(rest: FlaskClient, weather: dict[str, Any]) -> None:
    query = {"formats": '{"mm": "category"}', "gaps": ["Ulm", "no"], "transient": "true"}

    read = rest.post("/api/datasets", query_string=query, data=WEATHER).get_json()

    assert read["transient"]
    assert read["id"] not in [each["id"] for each in rest.get("/api/datasets").get_json()["datasets"]]
    assert [(column["kind"], column["gaps"]) for column in read["columns"]] == [
        ("date", 0), ("time", 1), ("category", 2), ("boolean", 2), ("category", 1),
    ]  # fmt: skip


def test_the_file_of_a_form_and_its_name_are_taken(rest: FlaskClient, weather: dict[str, Any]) -> None:
    answer = rest.post("/api/datasets", data={"file": (io.BytesIO(WEATHER), "form.csv")})

    assert answer.status_code == 201, answer.text
    assert (answer.get_json()["id"], answer.get_json()["name"]) == (weather["id"], "form.csv")


def test_the_name_of_a_body_may_be_in_its_header(rest: FlaskClient) -> None:
    answer = rest.post(
        "/api/datasets", data=WEATHER, headers={"Content-Disposition": 'attachment; filename="header.csv"'}
    )

    assert answer.get_json()["name"] == "header.csv"


def test_a_body_goes_on_where_one_broke_off(settings: Settings, rest: FlaskClient, weather: dict[str, Any]) -> None:
    whole = {"CONTENT_LENGTH": str(len(WEATHER))}
    broken = rest.post("/api/datasets?upload_id=u", data=WEATHER[:20], environ_overrides=whole)

    assert problem(broken) == (400, "UPLOAD_INCOMPLETE")
    assert rest.get("/api/uploads/u").get_json() == {"upload_id": "u", "offset": 20}
    assert problem(rest.post("/api/datasets?upload_id=u&offset=7", data=WEATHER[7:])) == (400, "WRONG_OFFSET")
    answer = rest.post(f"/api/datasets?upload_id=u&offset=20&sha256={weather['file_sha256']}", data=WEATHER[20:])
    assert answer.get_json()["id"] == weather["id"]
    assert rest.get("/api/uploads/u").get_json()["offset"] == 0
    assert left(settings) == []


@pytest.mark.parametrize(
    ("path", "request_of", "expected"),
    [
        ("", {"data": b"a,b\n1,2\n3\n"}, (400, "BAD_LINE")),
        ("", {"data": b"PK\x03\x04"}, (400, "NOT_A_TABLE")),
        ("", {"data": b""}, (400, "EMPTY_FILE")),
        ("", {"data": b"x" * 100_001}, (413, "DATASET_TOO_LARGE")),
        ("", {"data": {"file": (io.BytesIO(b"x" * 100_001), "f")}}, (413, "DATASET_TOO_LARGE")),
        ("", {"data": {"note": "hello"}, "content_type": "multipart/form-data"}, (400, "UNKNOWN_FIELD")),
        ("", {"data": {"a": (io.BytesIO(b"a\n1\n"), "f"), "b": (io.BytesIO(b"a\n1\n"), "g")}}, (400, "NOT_ONE_FILE")),
        ("", {"data": b"no form", "content_type": "multipart/form-data; boundary=b"}, (400, "INVALID_FORM")),
        ("", {"data": b"a\n1\n", "headers": {"Content-Encoding": "br"}}, (415, "UNSUPPORTED_MEDIA_TYPE")),
        ("?formats=[1]", {"data": b"a\n1\n"}, (400, "INVALID_ARGUMENT")),
        ("?formats=%7B%22a%22:%22colour%22%7D", {"data": b"a\n1\n"}, (400, "INVALID_ARGUMENT")),
        ("?formats=%7B%22a%22:" + "[" * 2_000 + "]" * 2_000 + "%7D", {"data": b"a\n1\n"}, (400, "INVALID_ARGUMENT")),
        ('?formats={"a":"number","a":"text"}', {"data": b"a\n1\n"}, (400, "INVALID_ARGUMENT")),
        ("?transient=1", {"data": b"a\n1\n"}, (400, "INVALID_ARGUMENT")),
        ("?read_as=nobody/2", {"data": b"a\n1\n"}, (404, "MODEL_NOT_FOUND")),
        ("?size=1", {"data": b"a\n1\n"}, (400, "UNKNOWN_FIELD")),
        ("?name=a&name=b", {"data": b"a\n1\n"}, (400, "INVALID_ARGUMENT")),
        ("?upload_id=u", {"data": {"file": (io.BytesIO(b"a\n1\n"), "f")}}, (400, "INVALID_ARGUMENT")),
        ("?offset=1", {"data": b"a\n1\n"}, (400, "WRONG_OFFSET")),
        ("?sha256=" + "0" * 64, {"data": b"a\n1\n"}, (400, "UPLOAD_DAMAGED")),
        ("", {"data": b"a\n1\n", "headers": {"Origin": "http://elsewhere.example"}}, (403, "FORBIDDEN")),
    ],
)
def test_what_cannot_become_a_dataset_is_refused_and_nothing_is_left(
    settings: Settings, rest: FlaskClient, path: str, request_of: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert problem(rest.post(f"/api/datasets{path}", **request_of)) == expected
    assert left(settings) == []


@pytest.mark.parametrize(
    ("query", "parameter"),
    [("formats=[1]", "formats"), ("size=1", "size"), ("transient=1", "transient"), ("name=a&name=b", "name")],
)
def test_an_error_in_the_query_names_the_parameter(rest: FlaskClient, query: str, parameter: str) -> None:
    (error,) = rest.post(f"/api/datasets?{query}", data=b"a\n1\n").get_json()["errors"]

    assert (error["parameter"], "pointer" in error) == (parameter, False)


def test_the_line_of_an_error_is_data(rest: FlaskClient) -> None:
    answer = rest.post("/api/datasets", data=b"a,b\n1,2\n3\n").get_json()

    assert answer["errors"][0]["place"] == ["line", 3]
    assert "expected 2 cells, as in the header" in answer["detail"]


def test_a_deleted_dataset_is_gone(rest: FlaskClient) -> None:
    made = rest.post("/api/datasets", data=b"gone\n1\n").get_json()["id"]

    assert rest.delete(f"/api/datasets/{made}").status_code == 204

    for answer in (
        rest.delete(f"/api/datasets/{made}"),
        rest.get(f"/api/datasets/{made}"),
        rest.get(f"/api/datasets/{made}/rows"),
    ):
        assert problem(answer) == (404, "DATASET_NOT_FOUND")


def test_more_files_than_there_are_places_for_are_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerwise_service.rest.file_bodies._MOST_UPLOADS", 0)

    with running_rest(settings) as rest:
        answer = rest.post("/api/datasets", data=WEATHER)

    assert problem(answer) == (429, "TOO_MANY_UPLOADS")
    assert answer.headers["Retry-After"] == "5"
