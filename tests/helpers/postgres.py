"""A real PostgreSQL for tests: one server for each process of the tests, and an empty database for each test.

It runs as another user, since PostgreSQL refuses to run as root, and listens on a socket in its own folder alone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

_USER = "postgres"
_INSTALL = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "postgresql"]
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",  # these tests kill processes; the power stays on
    "max_connections": "200",
    "shared_buffers": "16MB",
}
_numbers = count(1)


@dataclass
class PostgresServer:
    """A server that runs. `folder` has its data, its socket and its log."""

    programs: Path
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = {**_SETTINGS, "unix_socket_directories": str(self.folder)}
        options: list[str | Path] = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.folder / "data", *options], stderr=log, stdout=log, user=_user()
            )
        ready = [self.programs / "pg_isready", "--quiet", "--host", self.folder, "--timeout", "1"]
        for _ in range(300):
            if subprocess.run(ready, check=False).returncode == 0:
                return
            assert self.process.poll() is None, (self.folder / "log").read_text()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.1)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self, number: int = signal.SIGINT) -> None:
        """End it: by SIGINT at once and in order, by SIGQUIT as a crash does."""
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(60)
        self.process = None

    def new_database(self) -> sa.URL:
        """Make an empty database, and return its URL."""
        name = f"test{next(_numbers)}"
        with psycopg.connect(host=str(self.folder), user=_USER, dbname=_USER, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} STRATEGY file_copy".encode())
        url = sa.URL.create("postgresql+psycopg", username=_USER, database=name)
        return url.set(query={"host": str(self.folder)})

    def drop(self, url: sa.URL) -> None:
        """Remove a database, whoever is connected to it."""
        with psycopg.connect(host=str(self.folder), user=_USER, dbname=_USER, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {url.database} WITH (FORCE)".encode())


def find_programs() -> Path:
    """Return the folder of the newest PostgreSQL's programs; root installs Debian's if there is none.

    Skips the test where it cannot be had.
    """
    if (found := _installed()) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "--quiet"], check=False, capture_output=True)
        # without a cluster of its own that would start with the machine
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        made = subprocess.run(_INSTALL, check=False, capture_output=True, text=True, env=environment)
        if (found := _installed()) is None:
            pytest.skip(f"NOT RUN on PostgreSQL: apt-get could not install it: {made.stderr[-200:]}")
    if found is None:
        pytest.skip("NOT RUN on PostgreSQL: it is not installed. On Debian: apt-get install postgresql")
    if os.geteuid() == 0 and not _has_user():
        pytest.skip(f"NOT RUN on PostgreSQL: it cannot run as root, and there is no user {_USER!r}")
    return found


def _installed() -> Path | None:
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parts[-2]))
    on_path = [Path(there).resolve().parent] if (there := shutil.which("initdb")) else []
    return next((each for each in (*debian, *on_path) if (each / "postgres").exists()), None)


def _has_user() -> bool:
    return subprocess.run(["id", _USER], check=False, capture_output=True).returncode == 0


def _user() -> str | None:
    return _USER if os.geteuid() == 0 else None


@contextlib.contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Yield a server of its own, which ends with the block."""
    programs = find_programs()
    folder = Path(tempfile.mkdtemp(prefix="lw-pg-"))  # short, since the name of a socket may have 107 bytes
    try:
        if _user() is not None:
            shutil.chown(folder, _USER, _USER)
        initdb: list[str | Path] = [
            programs / "initdb",
            "--pgdata",
            folder / "data",
            "--username",
            _USER,
            "--auth",
            "trust",
        ]
        initdb += ["--no-sync", "--encoding", "UTF8", "--locale", "C.UTF-8"]
        subprocess.run(initdb, check=True, capture_output=True, cwd="/", user=_user())
        server = PostgresServer(programs, folder)
        server.start()
        try:
            yield server
        finally:
            if server.process is not None:
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
