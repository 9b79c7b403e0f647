"""Pauses between tries of one call: how they grow, when a waiting caller is told, and when the patience is over."""

from __future__ import annotations

import time

import pytest

from layerwise_client import DeadlineExceeded, Unavailable
from layerwise_client._transport.connection import Deadline, Retries, retrying

AWAY = Unavailable("nobody answers")
NEVER = Deadline(None)


def test_a_caller_is_told_once_that_it_waits_and_not_of_a_first_failure() -> None:
    told: list[str] = []
    retries = Retries("host:1", patience=60, on_waiting=told.append)

    seen = []
    for _ in range(3):
        retries.failed(AWAY, NEVER)
        seen.append(list(told))
    retries.succeeded()
    retries.failed(AWAY, NEVER)

    assert seen == [[], ["host:1"], ["host:1"]]
    assert told == ["host:1"]


def test_pauses_grow_until_a_try_succeeds() -> None:
    retries = Retries("host:1", patience=60)
    delays = [retries.delay]
    for _ in range(2):
        retries.failed(AWAY, NEVER)
        delays.append(retries.delay)
    retries.succeeded()

    assert delays == [0.1, 0.2, 0.4]
    assert retries.delay == 0.1


def test_the_patience_is_that_of_a_series_of_failures() -> None:
    retries = Retries("host:1", patience=0.05)

    retries.failed(AWAY, NEVER)
    with pytest.raises(Unavailable):
        retries.failed(AWAY, NEVER)
    retries.succeeded()

    start = time.monotonic()
    retries.pause(NEVER)  # as between two calls that answered: the patience that is over does not shorten it
    assert time.monotonic() - start > 0.05
    retries.failed(AWAY, NEVER)  # a new series


def test_no_pause_lasts_beyond_the_deadline() -> None:
    retries = Retries("host:1", patience=60)
    for _ in range(3):
        retries.failed(AWAY, Deadline(0.01))
    start = time.monotonic()

    retries.failed(AWAY, Deadline(0.01))  # instead of about 0.8 s

    assert time.monotonic() - start < 0.5


@pytest.mark.parametrize(
    ("errors", "raised"),
    [
        ([AWAY], None),
        ([AWAY, DeadlineExceeded("too late")], Unavailable),  # that nobody answered says more
        ([DeadlineExceeded("too late")], DeadlineExceeded),
    ],
)
def test_a_call_is_tried_again_while_nobody_answers(errors: list[Exception], raised: type[Exception] | None) -> None:
    left = iter(errors)

    def attempt() -> str:
        for error in left:
            raise error
        return "answer"

    def call() -> str:
        return retrying(attempt, Retries("host:1", patience=60), Deadline(60))

    if raised is None:
        assert call() == "answer"
    else:
        with pytest.raises(raised):
            call()


def test_a_call_is_not_tried_again_when_too_little_time_is_left() -> None:
    calls = []

    def attempt() -> None:
        calls.append(time.monotonic())
        raise AWAY

    with pytest.raises(Unavailable):
        retrying(attempt, Retries("host:1", patience=60), Deadline(0.05))

    assert len(calls) == 1
