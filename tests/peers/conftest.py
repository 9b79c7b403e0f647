"""A whole service with the models of `helpers.triton.ours`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from helpers.running import Service, running_service
from helpers.triton.ours import publish_all
from layerwise_service.settings import Settings


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("clients") / "home"
    publish_all(Settings(home=str(home)))
    with running_service(home) as running:
        yield running
