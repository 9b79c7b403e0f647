"""GET /docs: the OpenAPI document as a page, which loads nothing from elsewhere and runs no script in its text."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from flask.testing import FlaskClient
from markupsafe import escape

from helpers.rest_clients import running_rest
from helpers.waiting import wait_until
from layerwise_service.domain.models import Version
from layerwise_service.rest.docs_page import Operation
from layerwise_service.rest.openapi import OPENAPI
from layerwise_service.settings import Settings
from layerwise_service.wiring import Stores


@pytest.fixture
def rest(settings: Settings, stores: Stores) -> Iterator[FlaskClient]:
    with running_rest(settings) as client:
        yield client


class Page(HTMLParser):
    """The elements of a page, and the texts of its command lines."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def ids(self) -> set[str]:
        return {str(attributes["id"]) for _, attributes in self.elements if "id" in attributes}


def test_the_page_shows_every_operation_and_schema(rest: FlaskClient) -> None:
    page = Page(rest.get("/docs").get_data(as_text=True))

    operations = {about["operationId"] for methods in OPENAPI["paths"].values() for about in methods.values()}
    assert operations <= page.ids()
    assert {f"schema-{name}" for name in OPENAPI["components"]["schemas"]} <= page.ids()
    links = [str(attributes.get("href", "")) for tag, attributes in page.elements if tag == "a"]
    assert {link[1:] for link in links if link.startswith("#")} <= page.ids()
    assert "/docs" in rest.get("/").get_json()["see"]


def test_the_page_loads_its_own_two_files_and_nothing_else(rest: FlaskClient) -> None:
    answer = rest.get("/docs")

    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    elements = Page(answer.get_data(as_text=True)).elements
    loaded = [attributes.get("src") for tag, attributes in elements if tag in ("script", "img", "iframe")]
    loaded += [attributes["href"] for tag, attributes in elements if tag == "link"]
    assert sorted(map(str, loaded)) == ["/docs/docs.css", "/docs/docs.js"]
    assert not [name for _, attributes in elements for name in attributes if name.startswith("on") or name == "style"]
    for path, kind in (("/docs/docs.css", "text/css"), ("/docs/docs.js", "text/javascript")):
        assert rest.get(path).mimetype == kind
        assert "://" not in rest.get(path).get_data(as_text=True)


@pytest.mark.parametrize("file", ["docs.html", "..%2fapp.py", "%2e%2e/app.py", "x.js", "docs.js%00"])
def test_no_other_file_is_sent(rest: FlaskClient, file: str) -> None:
    assert rest.get(f"/docs/{file}").status_code == 404


def test_html_in_names_is_shown_as_text(rest: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    evil = "<script>alert(1)</script>\"'>"
    about = {"summary": evil, "description": evil, "operationId": "evil", "tags": ["Service"], "responses": {}}
    about["parameters"] = [
        {"name": evil, "in": "path", "required": True, "schema": {"type": "string"}, "example": evil}
    ]
    monkeypatch.setitem(OPENAPI["paths"], f"/{evil}", {"get": about})
    monkeypatch.setitem(
        OPENAPI["components"]["schemas"], evil, {"type": "object", "properties": {evil: {"enum": [evil]}}}
    )

    text = rest.get("/docs", headers={"Host": "127.0.0.1:8000"}).get_data(as_text=True)

    assert "<script>alert" not in text
    assert str(escape(evil)) in text
    assert [attributes for tag, attributes in Page(text).elements if tag == "script"] == [
        {"src": "/docs/docs.js", "defer": None}
    ]


def command_lines() -> Iterator[tuple[str, list[str], dict[str, Any]]]:
    """The method, words and operation of each command line."""
    for path, methods in OPENAPI["paths"].items():
        for method, about in methods.items():
            line = Operation(about["operationId"], method, path, about).curl("http://127.0.0.1:8000")
            yield method.upper(), shlex.split(line), about


def test_a_command_line_names_its_method_and_a_whole_address() -> None:
    for method, words, about in command_lines():
        url = next(word for word in words if word.startswith("http"))
        assert not re.search("[{}]", url), url
        chosen = words[words.index("-X") + 1] if "-X" in words else "POST" if "requestBody" in about else "GET"
        assert chosen == method


def test_command_lines_that_ask_for_a_prediction_get_one(rest: FlaskClient, publish: Callable[..., Version]) -> None:
    publish("iris")
    wait_until(lambda: rest.get("/predict/signature").status_code == 200)
    asked = 0

    for _, words, _ in command_lines():
        body = words[words.index("-d") + 1] if "-d" in words else ""
        if "5.1, 3.5" not in body:
            continue
        url = next(word for word in words if word.startswith("http")).removeprefix("http://127.0.0.1:8000")
        kind = words[words.index("-H") + 1].removeprefix("Content-Type: ")
        body = body.replace("[5.1, 3.5, 1.4, 0.2]", "[5.1, 3.5]").replace("[1, 4]", "[1, 2]")  # this model takes two
        answer = rest.post(url, data=body, content_type=kind)
        if "/labels/" not in url:  # that needs an alias
            assert answer.status_code == 200, (url, answer.get_data(as_text=True))
            asked += 1
    assert asked >= 9
