"""A process without file descriptors to spare answers what it can, and everything again as soon as there are some."""

from __future__ import annotations

import http.client
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from helpers.running import Service, running_service
from helpers.waiting import wait_until
from layerwise_client import Client, LayerwiseError, datasets

RECOVERY_SECONDS = 20.0
"""Tells a wait from a hang, on a busy machine too; on a quiet one it takes less than 1 s."""
SPARE = 2
"""Descriptors that are left: a connection takes one, a database or a model file others."""


def test_a_service_without_descriptors_recovers_when_there_are_some_again(tmp_path: Path) -> None:
    with running_service(tmp_path / "home", "--workers", "1") as service, service.client() as client:
        X, y = datasets.load("iris")
        network = {"layers": [{"units": 4, "activation": "relu"}]}
        client.train("iris", network, X, y, plan={"epochs": 1}, progress=False).wait(timeout=60)
        wait_until(lambda: len(answering(service)) == 4, what="both REST processes serve")
        before = answering(service)

        with starved(before), ExitStack() as held:
            for address in (service.rest.removeprefix("http://"), service.rpc):
                host, _, port = address.rpartition(":")
                for _ in range(20):  # the kernel takes them, the process cannot
                    held.enter_context(socket.create_connection((host, int(port)), timeout=5))
            told = [asked_over_rest(service), asked_over_rpc(service), predicted(service)]

        assert not {"500", "INTERNAL"} & set(told)
        wait_until(lambda: asked_over_rest(service) == "200", seconds=RECOVERY_SECONDS)
        wait_until(lambda: asked_over_rpc(service) == "ok", seconds=RECOVERY_SECONDS)
        wait_until(lambda: predicted(service) == "ok", seconds=RECOVERY_SECONDS)
        assert answering(service) == before  # nobody had to be started again
    log = service.log.read_text()
    assert "request_failed" not in log
    assert "Traceback" not in log


def answering(service: Service) -> set[int]:
    """The rpc processes, and the REST processes that answer requests: those that have the database open."""
    return set(service.pids("rpc")) | {
        pid for pid in service.rest_pids() if any("layerwise.db" in name for name in open_files(pid))
    }


def open_files(pid: int) -> list[str]:
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(str(link.readlink()))
        except OSError:
            continue  # closed meanwhile
    return found


@contextmanager
def starved(pids: set[int]) -> Iterator[None]:
    """Leaves each process `SPARE` descriptors beyond those that it has open."""
    limits = {pid: resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in pids}
    for pid, (_, hard) in limits.items():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(open_files(pid)) + SPARE, hard))
    try:
        yield
    finally:
        for pid, limit in limits.items():
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)


def asked_over_rest(service: Service) -> str:
    """The status of an answer, or what became of the connection."""
    host, _, port = service.rest.removeprefix("http://").rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=1)
    try:
        connection.request("GET", "/api/jobs")
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


def asked_over_rpc(service: Service) -> str:
    with Client(service.rpc, timeout=1) as client:
        try:
            list(client.jobs())
        except LayerwiseError as error:
            return error.reason
    return "ok"


def predicted(service: Service) -> str:
    with Client(service.rpc, timeout=1) as client:
        try:
            client.predict("iris", datasets.load("iris")[0][:1])
        except LayerwiseError as error:
            return error.reason
    return "ok"
