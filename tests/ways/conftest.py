"""One running service for all tests that do it no harm."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from helpers.running import Service, running_service


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service") / "home") as running:
        yield running
