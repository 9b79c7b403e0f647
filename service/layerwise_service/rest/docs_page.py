"""GET /docs: the OpenAPI document as a page that needs no other server, and can be read without JavaScript."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

from flask import Blueprint, Response, make_response, render_template, request

from layerwise_service.errors import NotFound
from layerwise_service.rest.messages import JSON
from layerwise_service.rest.openapi import OPENAPI
from layerwise_service.rest.query import check_query

_PAGES = Path(__file__).parent / "pages"
_FILES = {"docs.css": "text/css", "docs.js": "text/javascript"}
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


@dataclass(frozen=True, slots=True)
class Operation:
    """What the page shows of a method of an address."""

    id: str
    method: str
    path: str
    about: dict[str, Any]

    @property
    def parameters(self) -> list[dict[str, Any]]:
        """Parameters of the path and the query."""
        return cast("list[dict[str, Any]]", self.about.get("parameters", []))

    @property
    def bodies(self) -> dict[str, dict[str, Any]]:
        """By content type: the schema of a body, and perhaps an example."""
        return cast("dict[str, dict[str, Any]]", self.about.get("requestBody", {}).get("content", {}))

    def curl(self, base: str) -> str:
        """Return a command line that sends this request to the service at `base`, with the document's examples."""
        path, query = self.path, dict[str, str]()
        for parameter in self.parameters:
            if parameter["in"] == "path":
                name = parameter["name"]
                path = path.replace(f"{{{name}}}", str(parameter.get("example", name.upper())))
            elif parameter["required"]:
                query[parameter["name"]] = str(parameter.get("example", parameter["name"].upper()))
        words = ["curl", "-s"] if self.method in ("get", "post") else ["curl", "-s", "-X", self.method.upper()]
        words.append(f"{base}{path}{'?' if query else ''}{urlencode(query)}")
        for kind, body in self.bodies.items():
            words += ["-H", f"Content-Type: {kind}"]
            words += ["-d", json.dumps(body.get("example", {}))] if kind == JSON else ["--data-binary", "@FILE"]
            break
        else:
            if self.method == "post":
                words += ["-X", "POST"]
        return shlex.join(words)


def docs_routes() -> Blueprint:
    """Return the routes of the page and its two files."""
    routes = Blueprint("docs", __name__, template_folder="pages")

    @routes.get("/docs")
    def docs() -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query()
        base = request.host_url.removesuffix("/")
        page = make_response(render_template("docs.html", document=OPENAPI, groups=list(_groups()), base=base))
        page.headers["Content-Security-Policy"] = _POLICY
        page.headers["Referrer-Policy"] = "no-referrer"
        return page

    @routes.get("/docs/<file>")
    def docs_file(file: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        check_query()
        if file not in _FILES:
            raise NotFound(f"expected one of {', '.join(_FILES)}, got {file[:64]!r}", pointer="file")
        return Response((_PAGES / file).read_bytes(), mimetype=_FILES[file])

    return routes


def _groups() -> Iterator[tuple[dict[str, str], list[Operation]]]:
    """Yield each tag of the document, and its operations."""
    for tag in OPENAPI["tags"]:
        yield (
            tag,
            [
                Operation(about["operationId"], method, path, about)
                for path, methods in OPENAPI["paths"].items()
                for method, about in methods.items()
                if tag["name"] in about["tags"]
            ],
        )
