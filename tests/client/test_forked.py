"""A client in processes that were forked from the one that made it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from layerwise_proto.v1 import models_pb2

ONE_CHILD = """
client.predict("m", [[0.0]])
child = os.fork()
if child == 0:
    signal.alarm(20)  # a child that hangs ends without status 0
    os._exit(0 if client.predict("m", [[1.0]]).labels.tolist() == [1] else 1)
print(os.waitpid(child, 0)[1], client.predict("m", [[2.0]]).labels.tolist())
"""

MANY_CHILDREN = """
def asked(first):
    right = [client.predict("m", [[n], [n + 1]]).labels.tolist() == [n, n + 1] for n in range(first, first + 10)]
    wrong.extend(answer for answer in right if not answer)

def in_threads(first, count=3):
    threads = [threading.Thread(target=asked, args=(first + 100 * number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads

wrong = []
for thread in in_threads(0, count=8):  # which leave connections behind
    thread.join()
threads, children = in_threads(1_000, count=2), []
for number in range(6):
    children.append(os.fork())
    if children[-1] == 0:
        signal.alarm(20)
        wrong.clear()
        for thread in in_threads(10_000 * (number + 1)):
            thread.join()
        os._exit(1 if wrong else 0)
for thread in threads:
    thread.join()
print([os.waitpid(child, 0)[1] for child in children], wrong)
"""

GRPC = """
if sys.argv[2] == "called":
    client.models()
child = os.fork()
if child == 0:
    signal.alarm(20)
    try:
        (client if sys.argv[3] == "same" else Client(sys.argv[1])).models()
    except RuntimeError as exc:
        print(exc, flush=True)
        client.close()
        os._exit(3)
    os._exit(0)
print(os.WEXITSTATUS(os.waitpid(child, 0)[1]), flush=True)
client.models()
client.close()
"""


def ended(code: str, *arguments: str, rest: str | None = None) -> subprocess.CompletedProcess[str]:
    """What a process says that has a client and runs `code`."""
    made = f"Client('127.0.0.1:1', rest={rest!r}, timeout=10)" if rest else "Client(sys.argv[1], timeout=10)"
    script = f"import os, signal, sys, threading\nfrom layerwise_client import Client\nclient = {made}\n{code}"
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def echo(rest):
    """An endpoint that answers each row with its own number."""

    def answer(question):
        rows = [int(row[0]) for row in question["instances"]]
        return 200, {"model": "m", "version": 1, "predictions": rows}

    rest.answer = answer
    return rest


def test_a_forked_process_predicts_over_connections_of_its_own(echo):
    done = ended(ONE_CHILD, rest=echo.address)

    assert (done.stdout, done.stderr) == ("0 [2]\n", "")
    assert len(echo.connections) == 2


def test_processes_forked_while_threads_predict_get_the_answers_to_their_own_rows(echo):
    done = ended(MANY_CHILDREN, rest=echo.address)

    assert (done.stdout, done.stderr) == (f"{json.dumps([0] * 6)} []\n", "")


@pytest.mark.parametrize("of_the_child", ["same", "new"])
def test_grpc_after_a_fork_is_refused_with_what_to_do_and_the_parent_goes_on(service, of_the_child):
    service.answers["ListModels"] = lambda request, context: models_pb2.ListModelsResponse()

    done = ended(GRPC, service.address, "called", of_the_child)

    message, status = done.stdout.splitlines()
    assert (status, done.returncode) == ("3", 0), done.stderr
    assert message.startswith("this process was forked after the first call over gRPC")
    assert "spawn" in message
    assert "rest=" in message


@pytest.mark.parametrize("of_the_child", ["same", "new"])
def test_a_client_that_has_not_called_anybody_may_be_forked(service, of_the_child):
    service.answers["ListModels"] = lambda request, context: models_pb2.ListModelsResponse()

    done = ended(GRPC, service.address, "not called", of_the_child)

    assert (done.stdout, done.returncode) == ("0\n", 0), done.stderr
