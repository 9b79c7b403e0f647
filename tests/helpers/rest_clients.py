"""REST without a server: a client of the application, which looks for new versions until it is closed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask.testing import FlaskClient

from layerwise_service.settings import Settings
from layerwise_service.wiring import build_rest


@contextmanager
def running_rest(settings: Settings) -> Iterator[FlaskClient]:
    app = build_rest(settings)
    try:
        yield app.test_client()
    finally:
        app.extensions["close"]()
