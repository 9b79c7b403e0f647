"""How soon a process that ended is started again."""

from __future__ import annotations

import time

from layerwise_service.supervisor import Child


def test_a_process_that_was_ready_for_a_while_is_started_again_at_once_and_others_ever_later() -> None:
    child = Child("rest", ["rest"])
    delays = [child.back_off() for _ in range(8)]
    assert delays == [0.2, 1.0, 2.0, 5.0, 10.0, 30.0, 30.0, 30.0]

    child.ready_at = time.monotonic() - 11

    assert [child.back_off() for _ in range(3)] == [0.2, 1.0, 2.0]
