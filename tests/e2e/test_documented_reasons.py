"""Every reason of an error and of a job's state is documented, and no other is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from layerwise_client import LayerwiseError, errors
from layerwise_service.domain.job_states import Reason

ROOT = Path(__file__).parents[2]
WORD = re.compile(r"[A-Z]+(_[A-Z]+)*")
# those that the code puts together: f"{kind}_MISSING", f"INVALID_{field}"
OF_FILES = {f"{kind}_{fault}" for kind in ("DATASET", "MODEL") for fault in ("MISSING", "DAMAGED")}
OF_ENCODERS = {"INVALID_COLUMNS", "INVALID_IGNORE", "INVALID_REST", "INVALID_EXTRA"}


def reasons(*folders: str) -> set[str]:
    """Return the reasons written in the code below `folders`."""
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py") if "_pb2" not in path.name]
    return {word for path in files for word in _of(ast.parse(path.read_text()))}


def _of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg="reason", value=value):
                values = [value]
            case ast.Assign(targets=targets, value=value) if any("reason" in ast.unparse(each) for each in targets):
                values = [value]
            case ast.Call(func=called, args=[_, _, *values]) if ast.unparse(called).endswith(
                ("InvalidInput", "bad_cell", "unreadable_cell")
            ):
                pass
            case _:
                values = []
        for value in values:
            parts = value.elts if isinstance(value, ast.Tuple) else [value]
            for part in parts:
                if isinstance(part, ast.Constant) and isinstance(part.value, str) and WORD.fullmatch(part.value):
                    yield part.value


def documented(page: str) -> set[str]:
    text = (ROOT / "docs" / page).read_text()
    return {word for row in re.findall(r"^\|.*\|$", text, re.MULTILINE) for word in re.findall(r"`([A-Z_]{4,})`", row)}


def test_every_reason_of_the_service_is_documented_and_no_other() -> None:
    written = reasons("service/layerwise_service", "core/layerwise") | set(Reason) | OF_FILES
    pages = documented("rest.md") | documented("training.md")

    assert len(written) > 50
    assert sorted(written - pages) == []
    statuses = {"ALREADY_EXISTS", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "UNAVAILABLE", "DATA_LOSS"}
    states = {"WAITING", "QUEUED"}
    methods = {"PATCH"}
    assert sorted(pages - written - statuses - states - methods) == []


def test_every_reason_that_the_sdk_adds_is_documented() -> None:
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, LayerwiseError)]
    defaults = {kind.default_reason for kind in kinds}
    added = reasons("clients/python") | OF_ENCODERS
    pages = documented("client.md") | documented("rest.md") | documented("training.md")

    assert len(defaults) > 10
    assert sorted(added - pages - defaults) == []
