"""Versions are promoted, rolled back, unloaded and deleted while every process predicts, over REST and gRPC."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import grpc
import numpy as np
import pytest

from helpers.rpc_requests import tensor
from helpers.running import Service, running_service
from helpers.waiting import wait_until
from layerwise_client import Conflict, NotFound
from layerwise_proto.v1 import models_pb2
from layerwise_proto.v1.models_pb2_grpc import PredictionServiceStub

ROWS = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
PROCESSES = 3
HEADERS = {"Content-Type": "application/json"}
LAG_SECONDS = 2.0  # within which every process follows a move

Ask = Callable[[str], tuple[int, "np.ndarray"]]
"""Predicts `ROWS` by a version of "line", named by a number or an alias: its number, and the values."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose model "line" has six versions that predict different values.

    Each process keeps one of them loaded, so that using another unloads it.
    """
    home = tmp_path_factory.mktemp("moves") / "home"
    with (
        running_service(home, "--rest-processes", str(PROCESSES), LAYERWISE_MODEL_CACHE_BYTES="1") as running,
        running.client() as client,
    ):
        for seed in range(6):
            plan = {"epochs": 1, "seed": seed}
            client.train("line", {"layers": [{"units": 4, "activation": "tanh"}]}, ROWS, ROWS[:, 0], plan=plan)
        yield running


def over_rest(connection: http.client.HTTPConnection, version: str) -> tuple[int, np.ndarray]:
    body = json.dumps({"model": "line", "version": version, "instances": ROWS.tolist()})
    connection.request("POST", "/predict", body, HEADERS)
    response = connection.getresponse()
    answer = json.loads(response.read())
    assert response.status == 200, answer
    return answer["version"], np.array(answer["predictions"])


def over_grpc(channel: grpc.Channel, version: str) -> tuple[int, np.ndarray]:
    request = models_pb2.PredictRequest(model="line", version=version, rows=tensor(ROWS))
    answer = PredictionServiceStub(channel).Predict(request, timeout=30)
    return answer.version, np.frombuffer(answer.values.data, "<f4")


def answering(service: Service, connection: http.client.HTTPConnection) -> int:
    """The process that answers an open connection, which stays with it."""
    port = connection.sock.getsockname()[1]
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = int(service.rest.rpartition(":")[2])
    ends = [f"0100007F:{listening:04X}", f"0100007F:{port:04X}"]
    (inode,) = [line[9] for line in lines if line[1:3] == ends]
    for pid in service.rest_pids():
        if f"socket:[{inode}]" in [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]:
            return pid
    raise AssertionError("nobody answers it")


@contextmanager
def ways_in(service: Service) -> Iterator[list[Ask]]:
    """A connection to each process of REST, and two channels of gRPC."""
    with ExitStack() as stack:
        found: dict[int, http.client.HTTPConnection] = {}

        def find() -> bool:
            connection = stack.enter_context(closing(http.client.HTTPConnection(service.rest.removeprefix("http://"))))
            over_rest(connection, "1")
            found.setdefault(answering(service, connection), connection)
            return len(found) == PROCESSES

        wait_until(find)
        channels = [stack.enter_context(grpc.insecure_channel(service.rpc, [("own", i)])) for i in range(2)]
        yield [
            *(lambda version, each=each: over_rest(each, version) for each in found.values()),
            *(lambda version, each=each: over_grpc(each, version) for each in channels),
        ]


@dataclass
class Caller:
    """Asks for the same alias again and again in a thread of its own, and checks every answer."""

    ask: Ask
    alias: str
    expected: dict[int, np.ndarray]
    answers: list[tuple[float, int]] = field(default_factory=list)
    """When each request was sent, and the version that answered."""
    failures: list[BaseException] = field(default_factory=list)

    def run(self, done: threading.Event) -> None:
        while not done.is_set():
            start = time.monotonic()
            try:
                version, values = self.ask(self.alias)
                np.testing.assert_allclose(values, self.expected[version], rtol=1e-5)
            except Exception as error:
                self.failures.append(error)
                return
            self.answers.append((start, version))
            time.sleep(0.002)

    @property
    def versions(self) -> list[int]:
        """The versions that answered, in their order, each change once."""
        return [version for version, _ in groupby(version for _, version in self.answers)]


@contextmanager
def load(asks: Sequence[Ask], alias: str) -> Iterator[list[Caller]]:
    """Callers that ask all the time; at the end of the block none of their requests has failed."""
    callers = [Caller(ask, alias, {number: ask(str(number))[1] for number in range(1, 7)}) for ask in asks]
    values = [*callers[0].expected.values()]
    assert all(not np.allclose(values[i], values[j]) for i in range(6) for j in range(i))
    done = threading.Event()
    threads = [threading.Thread(target=caller.run, args=(done,)) for caller in callers]
    for thread in threads:
        thread.start()
    try:
        yield callers
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert [caller.failures for caller in callers] == [[]] * len(callers)


def await_version(callers: Sequence[Caller], version: int) -> None:
    """Wait until every caller has been answered by `version`, or has failed."""
    wait_until(lambda: all(c.failures or (c.answers and c.answers[-1][1] == version) for c in callers))


def test_51_52_55_promotions_and_rollbacks_under_load_lose_no_request_and_every_process_follows_within_two_seconds(
    service: Service,
) -> None:
    with service.client() as client, ways_in(service) as asks:
        client.set_alias("line", "champion", 1)
        wait_until(lambda: all(ask("champion")[0] == 1 for ask in asks))
        moves: list[tuple[float, float, int]] = []  # when each was asked for and done, and the version since then
        with load(asks, "champion") as callers:
            for flip in range(50):
                asked = time.monotonic()
                if flip % 2:
                    model = client.model("line").rollback("champion", expected=2)
                else:
                    model = client.set_alias("line", "champion", 2, expected=1)
                moves.append((asked, time.monotonic(), model.aliases["champion"]))
                await_version(callers, moves[-1][2])

        assert [version for _, _, version in moves] == [2, 1] * 25
        for caller in callers:
            assert caller.versions == [1, *[2, 1] * 25]  # the new one, once it has answered, until the next move
            for (_, done, version), (until, _, _) in zip(moves, [*moves[1:], (time.monotonic(), 0.0, 0)], strict=True):
                late = [found for start, found in caller.answers if done + LAG_SECONDS < start < until]
                assert set(late) <= {version}
        assert len(client.model("line").moves("champion")) == 51


def test_a_move_is_followed_at_once_by_the_process_that_answered_it(service: Service) -> None:
    with ways_in(service) as asks, closing(http.client.HTTPConnection(service.rest.removeprefix("http://"))) as own:
        for version in (1, 2) * 10:
            own.request("PUT", "/api/models/line/aliases/own", json.dumps({"version": version}), HEADERS)
            assert own.getresponse().read()
            assert over_rest(own, "own")[0] == version
        assert len(asks) == PROCESSES + 2


def test_54_versions_unloaded_and_deleted_under_load_lose_no_request_and_are_then_not_found(service: Service) -> None:
    with service.client() as client, ways_in(service) as asks:
        for name in client.model("line").aliases:
            client.model("line").delete_alias(name)
        client.set_alias("line", "stable", 2)
        with load(asks[::2], "stable") as callers, load(asks[1::2], "latest") as newest:
            for number in (6, 5, 4):
                await_version(newest, number)
                client.model("line").at(number).delete()
            await_version(newest, 3)
            await_version(callers, 2)
            with pytest.raises(Conflict, match="version 2 of line has the alias stable"):
                client.model("line").at(2).delete()
            client.set_alias("line", "stable", 3)
            await_version(callers, 3)
            for number in (2, 1):
                client.model("line").at(number).delete()
            deleted = time.monotonic()
            wait_until(lambda: all(caller.answers[-1][0] > deleted + 0.5 for caller in (*callers, *newest)))

        assert [caller.versions for caller in callers] == [[2, 3]] * len(callers)
        assert [caller.versions for caller in newest] == [[6, 5, 4, 3]] * len(newest)
        with pytest.raises(NotFound, match="version 5 of line was deleted; the newest version is 3"):
            client.predict("line", ROWS, version=5)
        for ask in asks:
            with pytest.raises((AssertionError, grpc.RpcError), match="version 1 of line was deleted"):
                ask("1")
        plan = {"epochs": 1, "seed": 9}
        job = client.train("line", {"layers": [{"units": 4, "activation": "tanh"}]}, ROWS, ROWS[:, 0], plan=plan)
        assert job.version == 7
