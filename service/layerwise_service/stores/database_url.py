"""The URL of the database: parsed, checked, and shown without its password."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from layerwise_service.errors import DatabaseUnusable

_EXAMPLES = "postgresql://user:password@host/name or sqlite:////path/to/file.db"
_DRIVERS = {"sqlite": "", "sqlite+pysqlite": "", "postgresql+psycopg": "layerwise[postgres]"}
"""By the beginning of a URL: what to install for it."""
_PLAIN = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
_SECRET = ("password", "secret", "token")


def read_database_url(text: str, home: Path) -> sa.URL:
    """Return the URL of the setting, by default SQLite in `home`. Raises `DatabaseUnusable`."""
    if not text:  # made from its parts, since a path may have ? and %
        return sa.URL.create("sqlite", database=str(home / "layerwise.db"))
    url = parse_database_url(text)
    check_driver(url)
    return url


def parse_database_url(text: str) -> sa.URL:
    """Return the URL, its driver filled in. Raises `DatabaseUnusable`, without the URL: it may have a password."""
    try:
        url = sa.make_url(text)
    except (ArgumentError, ValueError):
        detail = f"database_url: expected a URL such as {_EXAMPLES}, got one that cannot be parsed"
        raise DatabaseUnusable(f"{detail}; write special characters in a password as %40 for @, and so on") from None
    driver = _PLAIN.get(url.drivername, url.drivername)
    if driver not in _DRIVERS:
        raise DatabaseUnusable(f"database_url: expected a URL such as {_EXAMPLES}, got one that begins {driver}://")
    return url.set(drivername=driver)


def check_driver(url: sa.URL) -> None:
    """Raise `DatabaseUnusable` unless the driver for this kind of database is installed."""
    package = url.drivername.partition("+")[2]
    if (install := _DRIVERS[url.drivername]) and importlib.util.find_spec(package) is None:
        detail = f"database_url: {url.drivername}:// needs the Python package {package}, which is not installed"
        raise DatabaseUnusable(f"{detail}: pip install '{install}'")


def shown_database_url(url: sa.URL) -> str:
    """Return the URL with *** for each of its secrets."""
    query = {
        name: "***" if any(word in name.lower() for word in _SECRET) else value for name, value in url.query.items()
    }
    return url.set(query=query).render_as_string(hide_password=True).replace("%2A%2A%2A", "***")
