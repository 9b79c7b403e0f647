"""A job whose worker ends goes on from its last checkpoint, with the same bits as if it had never stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from helpers.waiting import wait_until
from helpers.worked_jobs import end_as_cancelled, failing, forget_back_off, story
from layerwise import MLP, Architecture, Layer, Plan, Record, Training, fit
from layerwise_service.domain.datasets import Dataset
from layerwise_service.domain.jobs import Job, NewJob
from layerwise_service.errors import NoSpace
from layerwise_service.settings import Settings
from layerwise_service.stores import checkpoint_store
from layerwise_service.stores.checkpoint_store import CheckpointStore
from layerwise_service.stores.leases import Fenced
from layerwise_service.wiring import Stores, build_worker
from layerwise_service.worker import checkpointing
from layerwise_service.worker.checkpointing import Checkpoints, Told

Submit = Callable[..., Job]
Work = Callable[[Job], Job]
EPOCHS = 60
PLANS: list[dict[str, Any]] = [
    {},
    {"optimizer": {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9}, "average": 0.9},
    {"early_stopping": {"patience": 200}, "validation": 0.25},
    {"optimizer": {"kind": "lbfgs"}},
]
DROPPING = {"inputs": 2, "layers": [{"units": 8, "activation": "relu", "dropout": 0.2}, {"units": 2}]}
PLAIN = {"inputs": 2, "layers": [{"units": 8, "activation": "relu"}, {"units": 2}]}


@pytest.fixture
def database_url(either_database: str) -> str:
    """Both databases: the workers' other tests need one alone."""
    return either_database


@pytest.fixture
def settings(settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A checkpoint after every step, as far as one can be written meanwhile."""
    monkeypatch.setattr(checkpointing, "MOST_SHARE", 1e9)
    return msgspec.structs.replace(settings, checkpoint_seconds=1e-6, database_url=database_url)


@pytest.fixture
def submit(stores: Stores, dataset: Dataset) -> Submit:
    def make(**plan: Any) -> Job:
        architecture = PLAIN if "lbfgs" in str(plan) else DROPPING  # lbfgs allows no noise
        plan = {"epochs": EPOCHS, "batch_size": 2, **plan}
        new = NewJob("xor", dict(architecture), plan, dataset.sha256, "accuracy", fingerprint="f")
        return stores.jobs.submit(new, dataset, max_open=100)

    return make


class Steps(list[int]):
    """The number of each step that any attempt makes. `dies` says after each whether the worker dies."""

    def __init__(self) -> None:
        super().__init__()
        self.dies: Callable[[], bool] = lambda: False


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    made, step = Steps(), Training.__next__

    def counted(training: Training) -> Record:
        if made.dies():
            raise SystemExit  # as far as the job is concerned, the worker was killed
        record = step(training)
        made.append(record.step)
        time.sleep(0.001)  # so that checkpoints are written meanwhile
        return record

    monkeypatch.setattr(Training, "__next__", counted)
    return made


def kill(settings: Settings, stores: Stores, job: Job, steps: Steps, *, after: int) -> None:
    """Let a worker die when it has made so many steps and stored two checkpoints, and requeue the job."""

    def dies() -> bool:
        if len(steps) < after:
            return False
        time.sleep(0.02)
        return len(stores.jobs.checkpoints(job.id) or ()) == 2

    steps.clear()
    steps.dies = dies
    worker = build_worker(settings, "dies")
    with suppress(SystemExit):
        worker.run()
    worker._heartbeat.close()
    worker._close()
    steps.clear()
    steps.dies = lambda: False
    stores.leases.take_back_from("dies")


def parameters(stores: Stores, job: Job) -> np.ndarray[Any, Any]:
    assert job.version is not None
    version = stores.versions.find(job.model, str(job.version))
    return stores.artifacts.load_model(version.sha256).parameters


def recorded(stores: Stores, job: Job) -> list[tuple[int, float]]:
    found: list[tuple[int, float]] = []
    after = 0
    while events := stores.jobs.events(job.id, after=after):
        found += [(event.record.step, event.record.loss) for event in events if event.record]
        after = events[-1].number
    return found


def files(settings: Settings) -> list[Path]:
    return [*(settings.home_path / "artifacts" / "checkpoints").iterdir()]


@pytest.mark.parametrize("plan", PLANS, ids=["adam", "sgd-average", "early-stopping", "lbfgs"])
def test_a_job_whose_worker_was_killed_ends_with_the_same_bits(
    settings: Settings, stores: Stores, submit: Submit, work: Work, steps: Steps, plan: dict[str, Any]
) -> None:
    undisturbed = work(submit(**plan))
    made = len(steps)
    steps.clear()
    stop_workers(work)
    job = submit(**plan)

    kill(settings, stores, job, steps, after=made // 2)
    (newest, *_) = stores.jobs.checkpoints(job.id) or []
    ended = work(job)

    assert [change for change in story(ended) if change[0] != "WAITING"] == [
        ("QUEUED", "SUBMITTED"),
        ("RUNNING", "CLAIMED"),
        ("QUEUED", "WORKER_LOST"),
        ("RUNNING", "RESUMED"),
        ("SUCCEEDED", "PUBLISHED"),
    ]
    assert steps[0] == int(newest.rpartition("-")[2]) + 1
    assert np.array_equal(parameters(stores, ended), parameters(stores, undisturbed))
    assert recorded(stores, ended) == recorded(stores, undisturbed)
    assert ended.record == undisturbed.record
    wait_until(
        lambda: [path.stem for path in files(settings) if job.id in path.name] == stores.jobs.checkpoints(job.id)
    )


def kept_files(settings: Settings, job: Job) -> list[str]:
    return [path.stem for path in files(settings) if job.id in path.name]


def stop_workers(work: Work) -> None:
    """End the workers that `work` has started."""
    for worker, thread in work.workers:  # type: ignore[attr-defined]
        worker.stop()
        thread.join()


def test_a_worker_that_stops_stores_where_it_is(
    settings: Settings, stores: Stores, submit: Submit, work: Work, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Checkpoints, "due", False)
    job = submit()
    worker = build_worker(settings, "stops")
    thread = threading.Thread(target=worker.run)
    thread.start()
    wait_until(lambda: len(steps) > 10)

    worker.stop()
    thread.join(20)
    last = steps[-1]
    ended = work(job)

    assert ("QUEUED", "WORKER_STOPPED") in story(ended)
    assert steps[steps.index(last) + 1 :] == [*range(last + 1, 2 * EPOCHS + 1)]


@pytest.mark.parametrize("damaged", [1, 2])
def test_a_damaged_checkpoint_is_left_for_the_one_before_or_for_the_first_step(
    settings: Settings, stores: Stores, submit: Submit, work: Work, steps: Steps, damaged: int
) -> None:
    undisturbed = work(submit())
    stop_workers(work)
    job = submit()
    steps.clear()
    kill(settings, stores, job, steps, after=40)
    names = stores.jobs.checkpoints(job.id) or []
    for name in names[:damaged]:
        (settings.home_path / "artifacts" / "checkpoints" / f"{name}.npz").write_bytes(b"damaged")

    ended = work(job)

    assert len(names) == 2
    assert steps[0] == (int(names[1].rpartition("-")[2]) + 1 if damaged == 1 else 1)
    assert np.array_equal(parameters(stores, ended), parameters(stores, undisturbed))
    assert recorded(stores, ended) == recorded(stores, undisturbed)


def test_training_goes_on_while_checkpoints_cannot_be_stored(
    settings: Settings, submit: Submit, work: Work, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = failing(monkeypatch, CheckpointStore, "write", *[NoSpace("the disk is full")] * 1000)

    ended = work(submit())

    assert ended.state == "SUCCEEDED"
    assert calls
    assert files(settings) == []


def test_a_worker_that_another_has_replaced_neither_stores_nor_removes_checkpoints(
    settings: Settings, stores: Stores, submit: Submit
) -> None:
    submit()
    old = stores.leases.claim("old")
    assert old is not None
    arrays = {"a": np.arange(3)}
    stores.leases.keep_checkpoint(old, stores.artifacts.checkpoints.write(old, 1, arrays))
    stores.leases.take_back_from("old")
    new = stores.leases.claim("new")
    assert new is not None
    stores.leases.keep_checkpoint(new, stores.artifacts.checkpoints.write(new, 2, arrays))

    late = stores.artifacts.checkpoints.write(old, 3, arrays)
    with pytest.raises(Fenced):
        stores.leases.keep_checkpoint(old, late)
    stores.artifacts.checkpoints.remove_earlier(old, keep=[])

    assert [path.stem for path in files(settings)] == [f"{new.job.id}-2-2"]
    assert (stores.jobs.checkpoints(new.job.id) or [])[0] == f"{new.job.id}-2-2"


def test_progress_between_losses_keeps_a_job_from_failing(settings: Settings, stores: Stores, submit: Submit) -> None:
    submit()
    for attempt in range(1, 8):
        claim = stores.leases.claim("w")
        assert claim is not None
        stores.leases.keep_checkpoint(claim, stores.artifacts.checkpoints.write(claim, attempt, {"a": np.arange(1)}))
        stores.leases.take_back_from("w")

    for _ in range(settings.max_lost_workers - 1):  # no further: from here on, each loss counts
        forget_back_off(stores)
        claim = stores.leases.claim("w")
        stores.leases.take_back_from("w")

    assert claim is not None
    assert stores.jobs.get(claim.job.id).state == "FAILED"


def test_what_a_dead_worker_left_is_swept_when_the_job_has_ended(
    settings: Settings, stores: Stores, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit()
    claim = stores.leases.claim("w")
    assert claim is not None
    store = stores.artifacts.checkpoints
    noted = store.write(claim, 2, {"a": np.arange(1)})
    stores.leases.keep_checkpoint(claim, noted)
    store.write(claim, 1, {"a": np.arange(1)})
    (settings.home_path / "artifacts" / "checkpoints" / "UNKNOWN-1-1.npz").write_bytes(b"of another database")

    stores.sweep()
    assert len(files(settings)) == 3  # they may be noted yet
    monkeypatch.setattr(checkpoint_store, "_GRACE_SECONDS", -1.0)
    stores.sweep()
    assert sorted(path.stem for path in files(settings)) == [noted.name, "UNKNOWN-1-1"]
    end_as_cancelled(stores, claim)
    stores.sweep()
    assert sorted(path.stem for path in files(settings)) == [noted.name, "UNKNOWN-1-1"]  # it may be resumed
    assert stores.leases.forget_checkpoints(most=1) == []
    assert stores.leases.forget_checkpoints(most=0) == [noted.name]
    stores.sweep()
    assert [path.stem for path in files(settings)] == ["UNKNOWN-1-1"]


def test_checkpoints_take_a_fiftieth_of_the_time_at_most(
    stores: Stores, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpointing, "MOST_SHARE", 0.02)
    now = 0.0

    class Slow(CheckpointStore):
        def write(self, *given: Any) -> Any:
            nonlocal now
            now += 3.0
            return super().write(*given)

    submit()
    claim = stores.leases.claim("w")
    assert claim is not None
    store = Slow(stores.artifacts.checkpoints._root, stores.artifacts.checkpoints._incoming)
    checkpoints = Checkpoints(claim, stores.leases, store, seconds=10.0, clock=lambda: now)
    training = begun()

    assert not checkpoints.due
    now = 10.0
    assert checkpoints.due
    checkpoints.begin(training.state, Told())
    checkpoints.wait()
    due_at = 13.0 + 3.0 / 0.02
    now = due_at - 0.1
    assert not checkpoints.due
    now = due_at
    assert checkpoints.due


def test_checkpoints_are_noted_in_their_order_however_long_one_takes(
    stores: Stores, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on = threading.Event()
    write = CheckpointStore.write

    def slow(store: CheckpointStore, claim: Any, step: int, arrays: Any) -> Any:
        if step == 1:
            assert may_go_on.wait(20)
        return write(store, claim, step, arrays)

    monkeypatch.setattr(CheckpointStore, "write", slow)
    submit()
    claim = stores.leases.claim("w")
    assert claim is not None
    checkpoints = Checkpoints(claim, stores.leases, stores.artifacts.checkpoints, seconds=0.0)
    training = begun()

    checkpoints.begin(training.state, Told())
    threading.Timer(0.2, may_go_on.set).start()
    next(training)
    checkpoints.begin(training.state, Told())
    checkpoints.wait()

    steps = [int(name.rpartition("-")[2]) for name in stores.jobs.checkpoints(claim.job.id) or ()]
    assert steps == [training.state.step, 1]


def begun() -> Training:
    training = fit(MLP(Architecture(2, (Layer(2),))), [[0, 1], [1, 0]], [0, 1], plan=Plan(epochs=2))
    next(training)
    return training
