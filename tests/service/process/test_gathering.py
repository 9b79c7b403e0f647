"""What processes count arrives once at the one that keeps the totals, and outlives them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from layerwise_service.process.counts import (
    ANSWERS,
    FAILURES,
    LOADED,
    LOST_LINES,
    PREDICTIONS,
    STAGES,
    WAITING,
    WARNINGS,
    Counts,
    Predictions,
    Series,
)
from layerwise_service.process.gathering import (
    FORGET_SECONDS,
    IDLE_SECONDS,
    MOST_VERSIONS,
    OTHER,
    SOCKET,
    Gatherer,
    Reporter,
    Totals,
)
from layerwise_service.process.telemetry import exposition

VERSION: Series = (PREDICTIONS, "iris", "1")
LOOK: Series = (ANSWERS, "GET", "/", "200")


@pytest.fixture
def gatherer() -> Iterator[Gatherer]:
    opened = Gatherer()
    opened.start()
    yield opened
    opened.close()


def totals(reporter: Reporter) -> dict[Series, list[float]]:
    found = reporter.totals()
    assert found is not None
    return dict(found)


def test_counts_of_several_processes_are_added_up(gatherer: Gatherer) -> None:
    counts = Counts(), Counts()
    reporters = [Reporter(gatherer.socket, each) for each in counts]

    for each in counts:
        each.predicted("iris", "1", (0.003, 0.0, 0.002, 0.0009, 0.0001), rows=10, executions=1)
        each.predicted("iris", "1", (100.0, 99.0, 0.5, 0.25, 0.25), rows=1, executions=0)
        each.add((LOST_LINES, "rest"), [2.0])
    reporters[0].report()

    found = totals(reporters[1])
    sums = Predictions(found[VERSION])
    assert sums.histograms["whole"] == [0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 2, pytest.approx(200.006)]
    assert (sums.requests, sums.rows, sums.executions) == (4, 22, 2)
    assert sum(sums.seconds(stage) for stage in STAGES) == pytest.approx(sums.seconds("whole"))
    assert time.time() - 60 < sums.last <= time.time()  # the latest, not the sum
    assert found[(LOST_LINES, "rest")] == [4.0]
    assert totals(reporters[0]) == found  # nothing is counted twice


def test_counts_by_many_threads_are_complete(gatherer: Gatherer) -> None:
    counts = Counts()
    reporter = Reporter(gatherer.socket, counts)

    def work() -> None:
        for number in range(500):
            counts.observe((ANSWERS, "GET", f"/{number % 120}", "200"), 0.01)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        reporter.report()

    assert sum(sum(buckets) for *buckets, _ in totals(reporter).values()) == 4000


def test_counts_wait_while_nobody_listens_and_none_is_lost() -> None:
    opened, counts = Gatherer(), Counts()
    reporter = Reporter(opened.socket, counts)
    for _ in range(2000):  # more datagrams than the socket holds
        counts.observe(LOOK, 0.1)
        reporter.report()

    opened.start()

    assert sum(totals(reporter)[LOOK][:-1]) == 2000
    opened.close()
    counts.observe(LOOK, 0.1)
    reporter.report()  # nobody listens any more
    assert reporter.totals() is None


CHILD = """
import os, sys, time
from layerwise_service.process.counts import COUNTS
from layerwise_service.process.gathering import Reporter, inherited_socket
Reporter(inherited_socket()).start()
COUNTS.predicted("iris", "1", (0.1,) * 5, rows=5, executions=1)
if sys.argv[1] == "stays":
    time.sleep(3600)
"""


def test_the_counts_of_a_process_outlive_it(gatherer: Gatherer) -> None:
    """Reported at its end, or in the second before it was killed."""
    reporter = Reporter(gatherer.socket, Counts())
    inherited = gatherer.socket.fileno()

    def start(word: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", CHILD, word]
        return subprocess.Popen(command, pass_fds=[inherited], env=os.environ | {SOCKET: str(inherited)})

    assert start("ends").wait(60) == 0
    assert Predictions(totals(reporter)[VERSION]).rows == 5
    killed = start("stays")
    try:
        while Predictions(totals(reporter)[VERSION]).rows != 10:
            assert killed.poll() is None
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.wait(60)

    assert Predictions(totals(reporter)[VERSION]).rows == 10


def test_a_datagram_that_is_no_report_harms_nobody(gatherer: Gatherer) -> None:
    reporter = Reporter(gatherer.socket, Counts())

    gatherer.socket.send(b"\xff no report")

    assert totals(reporter) == {}


def test_whoever_asks_and_does_not_read_holds_nobody_up(gatherer: Gatherer) -> None:
    counts = Counts()
    reporter = Reporter(gatherer.socket, counts)
    for number in range(2000):
        counts.observe((ANSWERS, "GET", "x" * 200, str(number)), 0.1)
    ours, theirs = socket.socketpair()

    socket.send_fds(gatherer.socket, [b"\x90"], [theirs.fileno()])
    theirs.close()
    ours.close()

    assert len(totals(reporter)) == 2000


def test_versions_beyond_a_bound_are_counted_together_until_others_were_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [1000.0]
    monkeypatch.setattr("layerwise_service.process.gathering.time.monotonic", lambda: seconds[0])
    counts, kept = Counts(), Totals()

    def serve(version: int) -> None:
        counts.predicted("iris", str(version), (0.1,) * 5, rows=1, executions=1)
        counts.add((WARNINGS, "iris", str(version), "GAP"), [3.0])
        kept.add(counts.take().items())

    for version in range(5000):
        serve(version)
    found = dict(kept.report())
    assert len(found) == 2 * (MOST_VERSIONS + 1)
    assert Predictions(found[(PREDICTIONS, *OTHER)]).requests == 5000 - MOST_VERSIONS
    assert found[(WARNINGS, *OTHER, "GAP")] == [3.0 * (5000 - MOST_VERSIONS)]
    assert len(exposition(kept.report())) < 2_000_000

    seconds[0] += IDLE_SECONDS
    serve(0)
    serve(4999)

    found = dict(kept.report())
    assert Predictions(found[(PREDICTIONS, "iris", "0")]).requests == 2
    assert Predictions(found[(PREDICTIONS, "iris", "4999")]).requests == 1
    assert (PREDICTIONS, "iris", "1") not in found  # the longest idle
    assert (WARNINGS, "iris", "1", "GAP") not in found
    assert len(found) == 2 * (MOST_VERSIONS + 1)


def test_levels_are_those_of_now_in_the_processes_that_run(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [1000.0]
    monkeypatch.setattr("layerwise_service.process.gathering.time.monotonic", lambda: seconds[0])
    counts = Counts()
    reporter = Reporter(None, counts)
    waiting: dict[tuple[str, ...], list[float]] = {("iris", "1"): [3.0]}
    counts.follow(LOADED, lambda: {(): [2.0, 1000.0]})
    counts.follow(WAITING, lambda: waiting)
    own = str(os.getpid())

    assert totals(reporter) == {(LOADED, own): [2.0, 1000.0], (WAITING, own, "iris", "1"): [3.0]}
    waiting.clear()
    assert totals(reporter)[WAITING, own, "iris", "1"] == [0.0]
    seconds[0] += FORGET_SECONDS - 1
    assert totals(reporter)[LOADED, own] == [2.0, 1000.0]
    seconds[0] += FORGET_SECONDS - 1  # reported again meanwhile, though it has not changed
    assert totals(reporter)[LOADED, own] == [2.0, 1000.0]
    assert not any(series[0] == WAITING for series in totals(reporter))


def test_levels_of_several_processes_are_added_up_until_a_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [1000.0]
    monkeypatch.setattr("layerwise_service.process.gathering.time.monotonic", lambda: seconds[0])
    kept = Totals()
    kept.add([((LOADED, "7"), [2.0, 1000.0]), ((WAITING, "7", "iris", "1"), [3.0])])
    seconds[0] += 4
    kept.add([((LOADED, "8"), [1.0, 500.0]), ((PREDICTIONS, "iris", "1"), [0.0] * 73)])

    both = exposition(kept.report()).decode()
    seconds[0] += FORGET_SECONDS - 2
    one = exposition(kept.report()).decode()

    assert "layerwise_loaded_models 3.0\n" in both
    assert "layerwise_loaded_bytes 1500.0\n" in both
    assert 'nv_inference_pending_request_count{model="iris",version="1"} 3\n' in both
    assert "layerwise_loaded_bytes 500.0\n" in one
    assert 'nv_inference_pending_request_count{model="iris",version="1"} 0\n' in one


def test_prometheus_reads_what_is_shown() -> None:
    counts = Counts()
    counts.predicted("iris", "3", (0.0002, 0.0, 0.00015, 0.00004, 0.00001), rows=7, executions=1)
    counts.add((FAILURES, "iris", "3", "NOT_FINITE"), [2.0, 0.5])
    counts.observe((ANSWERS, "POST", "/predict", "200"), 0.3)
    counts.observe((ANSWERS, "POST", "/predict", "400"), 0.0001)
    counts.add((LOST_LINES, "worker"), [4.0])
    counts.add((WARNINGS, "iris", "3", "FAR_NUMBER"), [5.0])

    text = exposition(counts.take().items()).decode()

    samples = {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples[("layerwise_predict_rows_total", "iris", "3")] == 7
    assert samples[("layerwise_predict_warnings_total", "iris", "FAR_NUMBER", "3")] == 5
    assert samples[("layerwise_predict_seconds_bucket", "0.0001", "iris", "3")] == 0
    assert samples[("layerwise_predict_seconds_bucket", "0.00025", "iris", "3")] == 1
    assert samples[("layerwise_predict_seconds_count", "iris", "3")] == 1
    assert samples[("layerwise_predict_errors_total", "iris", "NOT_FINITE", "3")] == 2
    stage = "layerwise_predict_stage_seconds"
    assert samples[(f"{stage}_bucket", "0.0001", "iris", "decode", "3")] == 0
    assert samples[(f"{stage}_bucket", "0.0005", "iris", "decode", "3")] == 1
    assert samples[(f"{stage}_bucket", "+Inf", "iris", "queue", "3")] == 1
    assert samples[(f"{stage}_sum", "iris", "compute", "3")] == pytest.approx(0.00004)
    assert samples[("layerwise_http_requests_total", "POST", "/predict", "400")] == 1
    assert samples[("layerwise_http_seconds_bucket", "0.0001", "/predict")] == 1  # a bound belongs to its bucket
    assert samples[("layerwise_http_seconds_bucket", "0.25", "/predict")] == 1
    assert samples[("layerwise_http_seconds_bucket", "+Inf", "/predict")] == 2
    assert samples[("layerwise_http_seconds_sum", "/predict")] == pytest.approx(0.3001)
    assert samples[("layerwise_log_lines_lost_total", "worker")] == 4
