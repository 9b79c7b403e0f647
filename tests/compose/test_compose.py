"""The compose file as an operator uses it: up, train, predict, lose a process, stop, and up again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import docker
import numpy as np
import pytest

from helpers import waiting
from layerwise_client import Client, datasets

ROOT = Path(__file__).parents[2]
PROJECT = "layerwise-test"
SERVICES = ("rpc", "rest", "worker")
HIDDEN = {"layers": [{"units": 64, "activation": "relu"}]}
MEGABYTE = 10**6

pytestmark = pytest.mark.timeout(600)  # the first of them builds the image, on a machine that may never have

wait_until = partial(waiting.wait_until, seconds=90)


class Stack:
    """The containers of the compose file, on free ports of the loopback address."""

    def __init__(self, engine: docker.DockerClient) -> None:
        self.engine = engine

    def compose(self, *arguments: str) -> str:
        program = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
        environment = os.environ | {"LAYERWISE_REST_PORT": "0", "LAYERWISE_RPC_PORT": "0", "DOCKER_BUILDKIT": "0"}
        ended = subprocess.run(
            [*program, "--project-name", PROJECT, "--file", str(ROOT / "docker-compose.yml"), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    def up(self) -> None:
        self.compose("up", "--detach")
        wait_until(lambda: all(self.health(name) == "healthy" for name in SERVICES), what="every container is healthy")

    def container(self, service: str) -> Any:
        labels = [f"com.docker.compose.project={PROJECT}", f"com.docker.compose.service={service}"]
        (found,) = self.engine.containers.list(all=True, filters={"label": labels})
        return found

    def health(self, service: str) -> str:
        return str(self.container(service).attrs["State"]["Health"]["Status"])

    def address(self, service: str, port: int) -> str:
        (binding,) = self.container(service).ports[f"{port}/tcp"]
        return f"{binding['HostIp']}:{binding['HostPort']}"

    def client(self) -> Client:
        return Client(self.address("rpc", 50051), rest=f"http://{self.address('rest', 8000)}")


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    engine = docker.from_env()
    made = Stack(engine)
    made.compose("down", "--volumes", "--remove-orphans")
    made.compose("build")
    made.up()
    yield made
    made.compose("down", "--volumes")
    engine.close()


@pytest.fixture(scope="module")
def trained(stack: Stack) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Unseen digits, and what the first version said of them."""
    X, y = datasets.load("digits")
    order = np.random.default_rng(0).permutation(len(X))
    seen, unseen = order[360:], order[:360]
    with stack.client() as client:
        client.train("digits", HIDDEN, X[seen], y[seen], plan={"epochs": 20, "batch_size": 32}, progress=False).wait(60)
        answer = client.predict("digits", X[unseen])
    assert answer.labels is not None
    return X[unseen], y[unseen], answer.labels.tolist()


def test_a_network_is_trained_and_asked(trained: tuple[np.ndarray, np.ndarray, list[int]]) -> None:
    _, y, predictions = trained

    assert np.mean(np.array(predictions) == y) >= 0.95


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_may_do_no_more_than_it_needs(stack: Stack, service: str) -> None:
    container = stack.container(service)

    status = container.exec_run(["cat", "/proc/1/status"]).output.decode()
    touch = container.exec_run(["touch", "/opt/layerwise/file"])

    assert "Uid:\t10001" in status
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert touch.exit_code != 0
    assert b"Read-only file system" in touch.output


def test_ports_are_open_to_this_machine_alone(stack: Stack) -> None:
    assert stack.address("rest", 8000).startswith("127.0.0.1:")
    assert stack.address("rpc", 50051).startswith("127.0.0.1:")
    assert not any(stack.container("worker").ports.values())


def test_a_killed_worker_comes_back_and_its_job_succeeds(stack: Stack) -> None:
    X, y = datasets.load("digits")
    with stack.client() as client:
        job = client.train("survivor", HIDDEN, X, y, plan={"epochs": 100, "batch_size": 8}, progress=False)
        wait_until(lambda: job.refresh().record is not None)

        kill(stack, "worker")
        job.wait(timeout=90)

        assert (job.state, job.attempt) == ("SUCCEEDED", 2)
    wait_until(lambda: stack.health("worker") == "healthy")


def test_a_killed_rest_process_is_replaced(stack: Stack, trained: tuple[np.ndarray, np.ndarray, list[int]]) -> None:
    before = stack.container("rest").attrs["RestartCount"]

    kill(stack, "rest")

    wait_until(lambda: stack.container("rest").attrs["RestartCount"] == before + 1)
    wait_until(lambda: stack.health("rest") == "healthy" and answers(stack, trained[0][:1]))


def test_what_was_trained_is_there_after_down_and_up(
    stack: Stack, trained: tuple[np.ndarray, np.ndarray, list[int]]
) -> None:
    X, _, predictions = trained
    start = time.monotonic()
    stack.compose("stop")
    stopped_in = time.monotonic() - start
    states = {name: stack.container(name).attrs["State"]["ExitCode"] for name in SERVICES}
    stack.compose("down")

    stack.up()
    with stack.client() as client:
        answer = client.predict("digits", X)

    assert stopped_in < 10
    assert states == dict.fromkeys(SERVICES, 0)
    assert answer.labels is not None
    assert answer.labels.tolist() == predictions


def test_the_images_own_layers_stay_below_220_megabytes(stack: Stack) -> None:
    """DuckDB, which reads table files, is 69 of them."""
    base = stack.engine.images.get("python:3.12-slim-bookworm")
    inherited = {layer["Id"] for layer in base.history()}
    own = sum(layer["Size"] for layer in stack.engine.images.get("layerwise").history() if layer["Id"] not in inherited)

    assert own < 220 * MEGABYTE, f"{own / MEGABYTE:.0f} MB"


def test_one_container_alone_serves_everything(stack: Stack) -> None:
    container = stack.engine.containers.run(
        "layerwise", detach=True, read_only=True, tmpfs={"/tmp": ""}, ports={"8000/tcp": ("127.0.0.1", None)}
    )
    try:
        wait_until(lambda: b"Layerwise is ready" in container.logs())
        assert container.exec_run(["layerwise", "healthcheck"]).exit_code == 0
        container.stop(timeout=10)
        container.reload()
        assert container.attrs["State"]["ExitCode"] == 0
    finally:
        container.remove(force=True, v=True)


def kill(stack: Stack, service: str) -> None:
    """SIGKILL to the process that `init` runs in the container: as a crash, not as an operator's stop."""
    container = stack.container(service)
    processes = container.top(ps_args="-eo pid,ppid,args")["Processes"]
    first = min(int(pid) for pid, _, arguments in processes if "docker-init" not in arguments)
    os.kill(first, signal.SIGKILL)


def answers(stack: Stack, X: np.ndarray) -> bool:
    try:
        with stack.client() as client:
            client.predict("digits", X)
    except Exception:
        return False
    return True
