"""The URL of the database: refused in one line if it is wrong, and never shown with its password."""

from __future__ import annotations

import msgspec
import pytest
from click.testing import CliRunner

from layerwise_service.commands.run import config
from layerwise_service.errors import DatabaseUnusable
from layerwise_service.settings import Settings
from layerwise_service.wiring import open_stores


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "expected a URL such as postgresql://"),
        ("postgresql://me:s3cret@host:port/name", "got one that cannot be parsed"),
        ("mysql://me:s3cret@host/name", "got one that begins mysql://"),
        ("postgresql+asyncpg://me:s3cret@host/name", r"got one that begins postgresql\+asyncpg://"),
        ("sqlite://", "expected the path of a file"),
        ("sqlite:///:memory:", "expected the path of a file"),
    ],
)
def test_a_wrong_url_is_refused_in_one_line_without_its_password(settings: Settings, url: str, message: str) -> None:
    with pytest.raises(DatabaseUnusable, match=message) as caught:
        open_stores(msgspec.structs.replace(settings, database_url=url))

    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql://me:s3cret@host/name", "postgres://me:s3cret@host/name"])
def test_a_missing_driver_is_told_with_how_to_install_it(
    settings: Settings, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    wanted = r"needs the Python package psycopg, .*pip install 'layerwise\[postgres\]'"
    with pytest.raises(DatabaseUnusable, match=wanted):
        open_stores(msgspec.structs.replace(settings, database_url=url))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:s3cret@host/name", "postgresql+psycopg://me:***@host/name"),
        ("postgresql://host/name?user=me&password=s3cret", "postgresql+psycopg://host/name?password=***&user=me"),
        ("sqlite:////var/lib/x.db", "sqlite:////var/lib/x.db"),
    ],
)
def test_the_configuration_is_shown_without_the_password(url: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERWISE_DATABASE_URL", url)

    result = CliRunner().invoke(config, [])

    assert result.exit_code == 0, result.output
    assert f'database_url = "{shown}"' in result.output
    assert "s3cret" not in result.output
