"""Large bodies wait in a queue, in the order in which they came; small ones wait for none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest

from helpers.rest_clients import running_rest
from layerwise_service.domain.models import Version
from layerwise_service.errors import Unavailable
from layerwise_service.rest import body_queue as module
from layerwise_service.rest.body_queue import BodyQueue
from layerwise_service.settings import Settings
from layerwise_service.wiring import Stores

SECONDS = 30.0


def test_no_more_bytes_have_their_turn_than_are_allowed_and_all_get_one() -> None:
    queue = BodyQueue(10)
    lock = threading.Lock()
    held, most = 0, 0

    def take(size: int) -> None:
        nonlocal held, most
        with queue.turn(size):
            with lock:
                held += size
                most = max(most, held)
            with lock:
                held -= size

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(take, [1, 4, 5, 3] * 200, timeout=SECONDS))  # seven of 5 may wait: four times 10 are allowed

    assert 0 < most <= 10
    with queue.turn(25):  # alone
        pass


def test_a_block_that_fails_gives_its_turn_back() -> None:
    queue = BodyQueue(10)
    with pytest.raises(ValueError, match="odd"), queue.turn(10):
        raise ValueError("odd")

    with queue.turn(10):
        pass


def test_beyond_so_many_that_wait_the_next_is_told_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", 2)
    queue = BodyQueue(10)
    order: list[int] = []
    waits = threading.Semaphore(0)
    wait_for = threading.Condition.wait_for

    def seen(condition: threading.Condition, *args: object) -> bool:
        waits.release()
        return wait_for(condition, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(threading.Condition, "wait_for", seen)

    def take(number: int, size: int) -> None:
        with queue.turn(size):
            order.append(number)

    threads = [threading.Thread(target=take, args=(number, size)) for number, size in enumerate([10, 1])]
    with queue.turn(9):
        assert waits.acquire(timeout=SECONDS)
        for thread in threads:
            thread.start()
            assert waits.acquire(timeout=SECONDS)
        with pytest.raises(Unavailable) as caught, queue.turn(1):
            pass
    for thread in threads:
        thread.join(SECONDS)

    assert (caught.value.reason, caught.value.retry_after) == ("TOO_MANY_LARGE_REQUESTS", 1)
    assert order == [0, 1]  # the small one did not overtake


def test_more_bytes_than_may_wait_are_told_to_try_again() -> None:
    queue = BodyQueue(10)

    with queue.turn(10), pytest.raises(Unavailable), queue.turn(41):
        pass


def test_small_requests_do_not_wait_for_large_ones(
    settings: Settings, stores: Stores, publish: Callable[..., Version], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    taken: list[int] = []
    turn = BodyQueue.turn

    def noted(queue: BodyQueue, size: int) -> AbstractContextManager[None]:
        taken.append(size)
        return turn(queue, size)

    monkeypatch.setattr(BodyQueue, "turn", noted)
    large = b'{"instances": [[0, 1]]' + b" " * 2**20 + b"}"

    with running_rest(settings) as rest:
        small = rest.post("/predict", json={"instances": [[0, 1]]})
        answer = rest.post("/predict", data=large, content_type="application/json")

    assert small.get_json()["predictions"] == answer.get_json()["predictions"]
    assert taken == [len(large)]
