"""Taking rows in: senders that fall silent, that are too many, that are killed, and a service that stops meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import msgspec
import pytest

from helpers.rpc_requests import batch, error_of, header, kinds, running_rpc
from helpers.waiting import wait_until
from layerwise_proto.v1 import training_pb2
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceStub
from layerwise_service.settings import Settings
from layerwise_service.usecases.upload import Upload
from layerwise_service.wiring import Stores


class Sender:
    """Sends a header and one batch of two, then nothing until `release`."""

    def __init__(self, address: str) -> None:
        self._released = threading.Event()
        self._channel = grpc.insecure_channel(address)
        self.events = TrainingServiceStub(self._channel).Train(self._requests(), timeout=30)

    def _requests(self) -> Iterator[training_pb2.TrainRequest]:
        yield header(rows=8)
        yield batch()
        if self._released.wait(30):
            yield batch()

    def release(self) -> None:
        self._released.set()

    def close(self) -> None:
        self.release()
        self._channel.close()


def incoming(settings: Settings) -> list[Path]:
    return list((settings.home_path / "artifacts" / "incoming").iterdir())


def test_a_sender_that_falls_silent_is_told_and_nothing_is_kept(settings: Settings, stores: Stores) -> None:
    with running_rpc(msgspec.structs.replace(settings, upload_idle_seconds=0.3)) as (address, _):
        sender = Sender(address)

        code, message, reason, _ = error_of(lambda: list(sender.events))

        assert (code, reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "UPLOAD_IDLE")
        assert "nothing was sent for 0.3 s" in message
        wait_until(lambda: incoming(settings) == [])
        assert stores.jobs.page(limit=1) == []
        sender.close()


def test_more_senders_than_allowed_are_told_to_try_again(settings: Settings, stores: Stores) -> None:
    with running_rpc(msgspec.structs.replace(settings, max_uploads=2)) as (address, _):
        first, second = Sender(address), Sender(address)
        wait_until(lambda: len(incoming(settings)) == 2)
        third = Sender(address)

        code, message, reason, _ = error_of(lambda: list(third.events))
        first.release()
        assert next(iter(first.events)).accepted.id
        fourth = Sender(address)
        fourth.release()
        assert kinds([next(iter(fourth.events))]) == ["accepted"]

        assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_UPLOADS")
        assert "2 callers are sending rows" in message
        for sender in (first, second, third, fourth):
            sender.close()


def test_the_sender_that_is_silent_for_longest_gives_way_to_one_that_comes(settings: Settings, stores: Stores) -> None:
    with running_rpc(msgspec.structs.replace(settings, max_uploads=2)) as (address, _):
        first = Sender(address)
        wait_until(lambda: len(incoming(settings)) == 1)
        second = Sender(address)
        wait_until(lambda: len(incoming(settings)) == 2)

        def accepted() -> bool:
            third = Sender(address)
            third.release()
            try:
                return kinds([next(iter(third.events))]) == ["accepted"]
            except grpc.RpcError:  # while nobody has been silent for long enough
                return False
            finally:
                third.close()

        wait_until(accepted)
        code, message, reason, _ = error_of(lambda: list(first.events))

        assert (code, reason) == (grpc.StatusCode.UNAVAILABLE, "UPLOAD_GAVE_WAY")
        assert "send all of them again" in message
        second.release()
        assert next(iter(second.events)).accepted.id
        first.close()
        second.close()


def test_a_silent_sender_does_not_hold_the_stop_up(settings: Settings, stores: Stores) -> None:
    with running_rpc(msgspec.structs.replace(settings, stop_seconds=90.0)) as (address, stop):
        sender = Sender(address)
        wait_until(lambda: incoming(settings) != [])

        start = time.monotonic()
        stop()

        assert time.monotonic() - start < 45
        code, _, reason, _ = error_of(lambda: list(sender.events))
        assert (code, reason) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
        assert incoming(settings) == []
        sender.close()


def test_a_stop_waits_for_the_rows_of_a_caller_that_left_to_be_discarded(
    settings: Settings, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    discard = Upload.discard

    def slow_discard(upload: Upload) -> None:
        begun.set()
        time.sleep(settings.stop_seconds + 0.5)
        discard(upload)

    monkeypatch.setattr(Upload, "discard", slow_discard)
    with running_rpc(settings) as (address, stop):
        sender = Sender(address)
        wait_until(lambda: incoming(settings) != [])
        sender.events.cancel()
        assert begun.wait(20)

        stop()

        assert incoming(settings) == []
        sender.close()


SENDER = """
import sys, time
import grpc
from layerwise_proto.v1 import tensors_pb2, training_pb2
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceStub
from helpers.rpc_requests import batch, header

def requests():
    yield header("killed", rows=8)
    yield batch()
    print("sent", flush=True)
    time.sleep(60)

list(TrainingServiceStub(grpc.insecure_channel(sys.argv[1])).Train(requests()))
"""


def test_a_sender_killed_in_mid_upload_leaves_no_job(settings: Settings, stores: Stores) -> None:
    tests = str(Path(__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": tests}
    with running_rpc(settings) as (address, _):
        for _ in range(3):
            command = [sys.executable, "-c", SENDER, address]
            with subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            ) as sender:
                assert sender.stdout is not None
                assert sender.stdout.readline() == b"sent\n"
                wait_until(lambda: incoming(settings) != [])
                sender.send_signal(signal.SIGKILL)
            wait_until(lambda: incoming(settings) == [])

    assert stores.jobs.page(limit=1) == []
