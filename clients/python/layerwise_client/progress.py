"""Showing a training: the interface of a display, and the progress bar of the SDK."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TextIO, runtime_checkable

from layerwise_client.errors import InvalidRequest

if TYPE_CHECKING:
    from layerwise_client.results import Finding, Record, Snapshot, Transition

_LEAST, _MOST = 10, 24  # columns of a bar
_WORDS = 76  # columns that an epoch takes with all but its speed


@runtime_checkable
class Progress(Protocol):
    """A display of one training. Its methods are called in this order, `closed` always last.

    It may also have `waiting(address)`, called when the service is away, `changed(transition)`, called when the job
    changes its state, and `left(job_id)`, called when Ctrl-C ends the following of a job that goes on.
    """

    def uploaded(self, rows: int, of: int) -> None:
        """Show that `rows` of `of` rows are sent; starts again at 0 if the connection breaks."""

    def accepted(self, job: Snapshot) -> None:
        """Show that the service has the data and will train `job`."""

    def trained(self, record: Record) -> None:
        """Show the record of an epoch."""

    def closed(self) -> None:
        """Clean up: the job has ended, or nobody follows it any more."""


@runtime_checkable
class _Waiting(Protocol):
    """A display that shows that the service is away."""

    def waiting(self, address: str) -> None:
        """Show that no service answers at `address`, once; the client tries again."""


@runtime_checkable
class _Changing(Protocol):
    """A display that shows changes of the job's state."""

    def changed(self, change: Transition) -> None:
        """Show a change of state: WAITING, for space or storage, is the one worth showing."""


@runtime_checkable
class _Left(Protocol):
    """A display that says how to return to a job."""

    def left(self, job_id: str) -> None:
        """Say that Ctrl-C has ended the following, and that the job goes on."""


def columns_line(job: Snapshot) -> str | None:
    """Return how many columns of each kind the table has, and how many inputs they give; None for rows of numbers."""
    if (counts := job.columns) is None:
        return None
    kinds = (
        *((counts.numbers, "number", "numbers"), (counts.categories, "category", "categories")),
        *((counts.dates, "date", "dates"), (counts.texts, "text", "texts")),
    )
    words = [f"{n} {one if n == 1 else many}" for n, one, many in kinds if n]
    gaps = counts.with_gaps or "none"
    return f"columns: {', '.join(words)}, {gaps} with gaps: {job.architecture.get('inputs')} inputs"


def plan_line(job: Snapshot) -> str:
    """Return the plan in one line: `plan: ` and `plan_words`."""
    return f"plan: {plan_words(job)}"


def plan_words(job: Snapshot) -> str:
    """Return the main settings of the job's plan, as the service completed it.

    `at most 282 epochs, batches of 64 rows, adam at a rate of 0.001, 10 % of the rows held out, ends after 5 epochs
    without a better validation_loss`.
    """
    from layerwise.wording import number_words

    plan = job.plan
    stopping: Mapping[str, Any] = plan.get("early_stopping") or {}
    optimizer: Mapping[str, Any] = plan.get("optimizer") or {}
    kind, rate = optimizer.get("kind"), optimizer.get("learning_rate")
    split, warmup = plan.get("split", "random"), plan.get("warmup", 0)
    most = "at most " if stopping or plan.get("max_steps") or plan.get("max_seconds") else ""
    held_out, watched = plan.get("validation"), stopping.get("watch", "validation_loss")
    parts: dict[str, object] = {
        f"{most}{plan.get('epochs', 0):,} epochs": "epochs" in plan,
        f"warmup over {number_words(warmup)} epochs never ends": warmup >= plan.get("epochs", warmup + 1),
        f"batches of {plan.get('batch_size', 0):,} rows": "batch_size" in plan,
        f"{kind} at a rate of {number_words(rate or 0, digits=3)}": kind and rate,
        f"{100 * (held_out or 0):.3g} % of the rows held out": held_out,
        "no rows held out": held_out == 0,
        f"so split {split} has no effect": held_out == 0 and split != "random",
        f"ends after {plan.get('max_steps', 0):,} steps": "max_steps" in plan,
        f"ends after {number_words(plan.get('max_seconds', 0))} s": "max_seconds" in plan,
        f"ends after {stopping.get('patience')} epochs without a better {watched}": stopping,
    }
    return ", ".join(words for words, said in parts.items() if said)


class Silent:
    """Shows nothing."""

    def uploaded(self, rows: int, of: int) -> None: ...

    def accepted(self, job: Snapshot) -> None: ...

    def trained(self, record: Record) -> None: ...

    def closed(self) -> None: ...


class Kept:
    """Keeps the record of the epoch whose weights become the version."""

    def __init__(self) -> None:
        self._record: Record | None = None

    def line(self, record: Record, job: Snapshot) -> str | None:
        """Return a line about the kept epoch if `record` ends the training with another one; else None."""
        if record.kept:
            self._record = record
        if not record.stopped or record.kept or self._record is None:
            return None
        return f"kept: {describe(replace(self._record, seconds_left=0.0), job)}"


class Bar:
    """A progress bar on one line of a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._job: Snapshot | None = None
        self._kept = Kept()
        self._drawn = 0.0
        self._share = 0.0

    def uploaded(self, rows: int, of: int) -> None:
        self._draw(rows / of, f"upload {rows:,}/{of:,} rows", last=rows == of)

    def accepted(self, job: Snapshot) -> None:
        self._job = job
        self._line(plan_line(job))
        self._draw(0.0, f"{job.model}: waiting for a worker", last=True)

    def trained(self, record: Record) -> None:
        if self._job is None:
            return
        epochs = int(self._job.plan.get("epochs", 0))
        share = record.epoch / epochs if epochs else 0.0
        columns = shutil.get_terminal_size().columns - 1
        words = describe(record, self._job, columns=columns - bar_width(columns) - 1)
        for finding in record.findings:
            self._line(finding_line(finding))
        self._draw(share, words, last=record.epoch == epochs or bool(record.findings or record.stopped))
        if (kept := self._kept.line(record, self._job)) is not None:
            self._stream.write(f"\n{kept}")

    def changed(self, change: Transition) -> None:
        if (words := waiting_words(change)) is not None:
            self._draw(self._share, words, last=True)

    def waiting(self, address: str) -> None:
        self._draw(self._share, f"waiting for {address} …", last=True)

    def closed(self) -> None:
        self._stream.write("\n" if self._drawn else "")
        self._stream.flush()

    def _line(self, words: str) -> None:
        """Write a line in the place of the bar, which goes on below."""
        self._stream.write(f"\r{words.ljust(shutil.get_terminal_size().columns - 1)}\n")

    def _draw(self, share: float, words: str, *, last: bool) -> None:
        now = time.monotonic()
        if not last and now - self._drawn < 0.1:  # small networks end a thousand epochs a second
            return
        self._drawn, self._share = now, share
        columns = shutil.get_terminal_size().columns - 1
        width = bar_width(columns)
        full = round(width * min(share, 1.0))
        line = f"{'━' * full}{'─' * (width - full)} {words}"[:columns]
        self._stream.write(f"\r{line.ljust(columns)}")
        self._stream.flush()


def describe(record: Record, job: Snapshot, *, columns: int | None = None) -> str:
    """Write a record in one line: `epoch 7/20  loss 0.0312  accuracy 0.991  validation 0.972  81,200 rows/s  3 s left`.

    If training ended before its last epoch, the line says why instead of the time left. If the line is longer than
    `columns`, it leaves out the speed, the time left and the loss, in this order.
    """
    from layerwise.wording import number_words

    epochs = job.plan.get("epochs")
    left = f"{_duration(record.seconds_left)} left" if record.seconds_left >= 1 else ""
    if record.stopped and record.stopped != "epochs":
        left = f"ended by {record.stopped}"
    held_out = record.validation_metric
    parts = {
        "epoch": f"epoch {record.epoch}/{epochs}" if epochs else f"epoch {record.epoch}",
        "loss": f"loss {number_words(record.loss)}",
        "metric": f"{job.metric or 'metric'} {record.metric:.4f}",
        "validation": "" if held_out is None else f"validation {held_out:.4f}",
        "speed": f"{record.rows_per_second:,.0f} rows/s",
        "left": left,
    }
    for less_needed in ("", "speed", "left", "loss"):
        parts.pop(less_needed, None)
        line = "  ".join(part for part in parts.values() if part)
        if columns is None or len(line) <= columns:
            break
    return line


def waiting_words(change: Transition) -> str | None:
    """Return what a job waits for, or that it goes on; None if `change` is about neither."""
    if change.state == "WAITING":
        return f"waiting: {_WAITS.get(change.reason, 'the storage of the service does not answer')}"
    return "the job goes on" if change.reason == "CONTINUED" else None


_WAITS = {"NO_SPACE": "the disk of the service is full"}


def finding_line(finding: Finding) -> str:
    """Return a finding in one line: `doctor: layer 2: 43 % of its ReLU units are dead since epoch 3: …`."""
    return f"doctor: {finding.message}"


def bar_width(columns: int) -> int:
    """Return the width of the bar on a line of `columns`: the same for each epoch, so that it does not jump."""
    return max(_LEAST, min(_MOST, columns - _WORDS))


def for_eyes() -> Progress:
    """Return a bar on a terminal or in a notebook, else a display that shows nothing."""
    return Bar(sys.stderr) if _seen() else Silent()


def waiting_of(display: Progress) -> Callable[[str], None] | None:
    """Return the method by which `display` shows that the service is away; None if it has none."""
    return display.waiting if isinstance(display, _Waiting) else None


def changed_of(display: Progress) -> Callable[[Transition], None] | None:
    """Return the method by which `display` shows changes of the job's state; None if it has none."""
    return display.changed if isinstance(display, _Changing) else None


def display_of(progress: object) -> Progress:
    """Return the display for the argument `progress`: `for_eyes` for True, none for False, or the object itself."""
    if isinstance(progress, bool):
        return for_eyes() if progress else Silent()
    if not isinstance(progress, Progress):
        wanted = "True, False or an object with the methods uploaded, accepted, trained and closed"
        raise InvalidRequest(f"progress: expected {wanted}, got {type(progress).__name__}", pointer="progress")
    return progress


def tell_left(display: Progress, job_id: str) -> None:
    """Say, by `display` if it can or else on stderr, that job `job_id` goes on and how to return to it."""
    if isinstance(display, _Left):
        display.left(job_id)
    else:
        back = f"client.job({job_id!r}).wait(), or: layerwise jobs watch {job_id}"
        sys.stderr.write(f"\nThe job goes on. Back to it: {back}\n")


def tell_waiting(address: str) -> None:
    """Say on a terminal or in a notebook that no service answers at `address`."""
    if _seen():
        sys.stderr.write(f"waiting for {address} …\n")
        sys.stderr.flush()


def _seen() -> bool:
    notebook = "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None
    return notebook or sys.stderr.isatty()


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
