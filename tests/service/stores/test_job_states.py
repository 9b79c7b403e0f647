"""Row 79 of the faults: whatever callers and workers do in whatever order, a job takes only the states it may."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from helpers.service_values import RECORD, VERSION
from layerwise_service.domain.datasets import Dataset
from layerwise_service.domain.job_states import FOLLOWING, HELD, JobState
from layerwise_service.domain.jobs import Checkpoint, Claim, Failure, NewJob
from layerwise_service.errors import Conflict
from layerwise_service.stores.job_rows import JobNotFound
from layerwise_service.stores.leases import Fenced
from layerwise_service.stores.pending import Artifact, PendingArtifacts
from layerwise_service.wiring import Stores

MOST = 1_000
CALLERS = ("cancel", "pause", "resume", "finish", "delete", "update")
WORKERS = ("claim", "work", "checkpoint", "publish", "fail", "release", "wait", "go_on", "lose")


@dataclass
class Expected:
    """What a job has to be by the rules, as they are written for people."""

    state: str = "QUEUED"
    wish: str = ""
    checkpoints: bool = False
    losses: int = 0
    claim: Claim | None = None
    versions: int = 0
    deleted: bool = False

    def end(self, state: str) -> None:
        """Its worker leaves it in `state`, unless callers want another."""
        if self.wish == "cancel":
            state = "CANCELLED"
        elif self.wish == "pause" and state == "QUEUED":
            state = "PAUSED"
        self.state = state
        if state != "QUEUED":
            self.wish = ""
        self.claim = None

    def queue(self) -> None:
        self.state, self.wish, self.losses = "QUEUED", "", 0


class Machine:
    """One job, its model, and what callers and workers do with it."""

    def __init__(self, stores: Stores, dataset: Dataset) -> None:
        self.stores = stores
        plan: dict[str, object] = {"epochs": 10_000}
        new = NewJob("xor", {"inputs": 2}, plan, dataset.sha256, "accuracy", fingerprint="f")
        self.id = stores.jobs.submit(new, dataset, max_open=MOST).id
        self.expected = Expected()
        self.steps = 0

    def act(self, name: str) -> None:
        """Do it, both here and in the model, and compare."""
        before = self.expected.state
        getattr(self, name)()
        expected = self.expected
        if expected.deleted:
            with pytest.raises(JobNotFound):
                self.stores.jobs.get(self.id)
            return
        found = self.stores.jobs.get(self.id)
        assert found.state == expected.state, (name, before)
        states = [change.state for change in found.transitions]
        assert all(after in FOLLOWING[first] for first, after in pairwise(states))
        assert (found.finished is not None) is found.state.ended
        assert len([state for state in states if state is JobState.SUCCEEDED]) == expected.versions
        records = [event.record.step for event in self.stores.jobs.events(self.id, after=0) if event.record]
        assert records == sorted(set(records))

    # what callers do

    def cancel(self) -> None:
        expected = self.expected
        self.stores.job_control.cancel(self.id)
        if expected.state in ("QUEUED", "PAUSED"):
            expected.state, expected.wish = "CANCELLED", ""
        elif expected.state in HELD:
            expected.state, expected.wish = "CANCELLING", "cancel"

    def pause(self) -> None:
        expected = self.expected
        if JobState(expected.state).ended or expected.state == "CANCELLING":
            self._refused(self.stores.job_control.pause)
        else:
            self.stores.job_control.pause(self.id)
            if expected.state == "QUEUED":
                expected.state, expected.wish = "PAUSED", ""
            elif expected.state != "PAUSED":
                expected.wish = "pause"

    def resume(self) -> None:
        expected = self.expected
        if expected.state in ("CANCELLING", "SUCCEEDED"):  # without epochs, nothing is left to train
            self._refused(lambda job: self.stores.job_control.resume(job, epochs=None, max_open=MOST))
        else:
            self.stores.job_control.resume(self.id, epochs=None, max_open=MOST)
            if expected.state in ("PAUSED", "FAILED", "CANCELLED"):
                expected.queue()
            elif expected.wish == "pause":
                expected.wish = ""

    def finish(self) -> None:
        expected = self.expected
        idle = expected.state not in HELD and expected.state != "SUCCEEDED"
        if expected.state == "CANCELLING" or (idle and not expected.checkpoints):
            self._refused(lambda job: self.stores.job_control.finish(job, max_open=MOST))
        else:
            self.stores.job_control.finish(self.id, max_open=MOST)
            if expected.state in ("PAUSED", "FAILED", "CANCELLED"):
                expected.queue()
            if expected.state != "SUCCEEDED":
                expected.wish = "finish"

    def delete(self) -> None:
        if JobState(self.expected.state).ended:
            self.stores.job_control.delete(self.id)
            self.expected.deleted = True
        else:
            self._refused(self.stores.job_control.delete)

    def update(self) -> None:
        self.stores.job_control.update(self.id, labels={"a": "b"}, note=None)

    # what workers do

    def claim(self) -> None:
        expected = self.expected
        if expected.state == "QUEUED" and expected.losses < 2:  # else it waits for a while
            claim = self.stores.leases.claim("w")
            assert claim is not None
            assert claim.job.id == self.id
            assert bool(claim.checkpoints) is expected.checkpoints
            assert (claim.wish or "").lower() == expected.wish
            expected.state, expected.claim = "RUNNING", claim
        else:
            assert self.stores.leases.claim("w") is None

    def work(self) -> None:
        self.steps += 1
        record = type(RECORD)(step=self.steps, epoch=1, loss=1.0, metric=0.5, **UNSET)
        self._write(lambda claim: self.stores.leases.add_records(claim, [record], progress=0.1), wish=True)

    def checkpoint(self) -> None:
        found = Checkpoint(f"{self.id}-1-{self.steps}", self.steps, "0" * 64)
        if self._write(lambda claim: self.stores.leases.keep_checkpoint(claim, found)):
            self.expected.checkpoints, self.expected.losses = True, 0

    def publish(self) -> None:
        PendingArtifacts(self.stores.database).register(Artifact.MODEL, VERSION.sha256)
        expected = self.expected
        if self._write(lambda claim: self.stores.leases.publish(claim, VERSION)):
            expected.versions += expected.wish != "cancel"
            expected.end("SUCCEEDED")

    def fail(self) -> None:
        if self._write(lambda claim: self.stores.leases.fail(claim, Failure("DIVERGED", "x"))):
            self.expected.end("FAILED")

    def release(self) -> None:
        if self._write(self.stores.leases.release):
            self.expected.end("QUEUED")

    def wait(self) -> None:
        if self._write(lambda claim: self.stores.leases.wait(claim, "NO_SPACE")) and self.expected.state == "RUNNING":
            self.expected.state = "WAITING"

    def go_on(self) -> None:
        if self._write(self.stores.leases.resume) and self.expected.state == "WAITING":
            self.expected.state = "RUNNING"

    def lose(self) -> None:
        expected = self.expected
        held = expected.state in HELD
        self.stores.leases.take_back_from("w")
        if held:
            expected.losses += 1
            expected.end("FAILED" if expected.losses >= 3 else "QUEUED")

    def _write(self, write: Callable[[Claim], object], *, wish: bool = False) -> bool:
        """Let the newest worker write; what it may not write any more is refused."""
        claim = self.expected.claim
        if claim is None:
            return False
        found = write(claim)
        if wish:
            assert (str(found).lower() if found else "") == self.expected.wish
        return True

    def _refused(self, change: Callable[[str], object]) -> None:
        with pytest.raises(Conflict):
            change(self.id)


UNSET = {"validation_loss": None, "validation_metric": None, "learning_rate": 0.1}


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.generate, Phase.shrink],
)
@given(acts=st.lists(st.sampled_from((*CALLERS, *WORKERS, "claim", "work", "checkpoint")), min_size=5, max_size=25))
def test_79_a_job_takes_only_states_that_may_follow_each_other(
    stores: Stores, dataset: Dataset, acts: list[str]
) -> None:
    machine = Machine(stores, dataset)
    for name in acts:
        machine.act(name)
        if machine.expected.deleted:
            return
    stores.job_control.cancel(machine.id)  # so that the next example finds no job to claim
    stores.leases.take_back_from("w")


def test_what_a_former_worker_writes_is_refused_in_every_state(stores: Stores, dataset: Dataset) -> None:
    chance = random.Random(1)
    for _ in range(20):
        machine = Machine(stores, dataset)
        machine.act("claim")
        former = machine.expected.claim
        assert former is not None
        machine.act(chance.choice(["lose", "release", "fail", "publish"]))
        if machine.expected.state == "QUEUED" and chance.random() < 0.5:
            machine.act("claim")
        before = stores.jobs.get(machine.id)
        writes: list[Callable[[], object]] = [
            lambda former=former: stores.leases.renew(former, progress=0.5),  # type: ignore[misc]
            lambda former=former: stores.leases.add_records(former, [RECORD], progress=0.5),  # type: ignore[misc]
            lambda former=former: stores.leases.fail(former, Failure("DIVERGED", "x")),  # type: ignore[misc]
            lambda former=former: stores.leases.release(former),  # type: ignore[misc]
            lambda former=former: stores.leases.publish(former, VERSION),  # type: ignore[misc]
        ]
        for write in writes:
            with pytest.raises(Fenced):
                write()
        assert stores.jobs.get(machine.id) == before
        stores.job_control.cancel(machine.id)
        stores.leases.take_back_from("w")
