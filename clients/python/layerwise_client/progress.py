"""Showing a training: the interface of a display, and the progress bar of the SDK."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TextIO, runtime_checkable

from layerwise_client.errors import InvalidRequest
from layerwise_client.wording import (
    counted,
    finding_line,
    plan_line,
    predicted_words,
    printable,
    record_line,
    sent_words,
    source_notes,
    source_words,
    waiting_line,
)

if TYPE_CHECKING:
    from layerwise_client.results import Record, Snapshot, Transition

_LEAST, _MOST = 10, 24  # columns of a bar
_LINE = 76  # columns that an epoch takes with all but its speed


@runtime_checkable
class Progress(Protocol):
    """A display of one training. Its methods are called in this order, `closed` always last.

    It may also have `sent(size, of)`, called with the bytes of a file that are sent, `predicted(rows, of)`, called
    with the rows of a file that are predicted, `waiting(address)`, called when the service does not answer,
    `changed(transition)`, called when the job changes its state, and `left(job_id)`, called when Ctrl-C stops
    following a job that goes on.
    """

    def uploaded(self, rows: int, of: int) -> None:
        """Show how much of the data is sent. If the connection breaks, the count starts again.

        Parameters
        ----------
        rows, of : int
            Number of rows sent so far, and of all rows.
        """

    def accepted(self, job: Snapshot) -> None:
        """Show that the service has stored the data and will train.

        Parameters
        ----------
        job : Snapshot
            The new job, with the plan as the service completed it.
        """

    def trained(self, record: Record) -> None:
        """Show an epoch.

        Parameters
        ----------
        record : Record
            The record of the epoch.
        """

    def closed(self) -> None:
        """Clean up: the job has ended, or is no longer followed."""


@runtime_checkable
class _ShowsSending(Protocol):
    def sent(self, size: int, of: int) -> None:
        """Show how many bytes of a file are sent; at the end the service reads it."""


@runtime_checkable
class _ShowsPredicting(Protocol):
    def predicted(self, rows: int, of: int) -> None:
        """Show how many rows of a file are predicted."""


@runtime_checkable
class _ShowsWaiting(Protocol):
    def waiting(self, address: str) -> None:
        """Show that no service answers at `address`. Called once; the client tries again."""


@runtime_checkable
class _ShowsChanges(Protocol):
    def changed(self, change: Transition) -> None:
        """Show a change of the job's state, such as WAITING for disk space or storage."""


@runtime_checkable
class _ShowsLeft(Protocol):
    def left(self, job_id: str) -> None:
        """Show that the job goes on after Ctrl-C, and how to return to it."""


class Silent:
    """Display that shows nothing."""

    def uploaded(self, rows: int, of: int) -> None: ...

    def accepted(self, job: Snapshot) -> None: ...

    def trained(self, record: Record) -> None: ...

    def closed(self) -> None: ...


class KeptEpoch:
    """The record of the epoch whose weights become the version."""

    def __init__(self) -> None:
        self._record: Record | None = None

    def line(self, record: Record, job: Snapshot) -> str | None:
        """Return a line about the kept epoch if `record` is the last and of another epoch; else None."""
        if record.kept:
            self._record = record
        if not record.stopped or record.kept or self._record is None:
            return None
        return f"kept: {record_line(replace(self._record, seconds_left=0.0), job)}"


class Bar:
    """A progress bar on one line of a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._job: Snapshot | None = None
        self._kept = KeptEpoch()
        self._drawn = 0.0
        self._share = 0.0

    def uploaded(self, rows: int, of: int) -> None:
        self._draw(rows / of, f"upload {rows:,}/{counted(of, 'row')}", last=rows == of)

    def sent(self, size: int, of: int) -> None:
        self._draw(size / of, sent_words(size, of), last=size == of)

    def predicted(self, rows: int, of: int) -> None:
        self._draw(rows / of, predicted_words(rows, of), last=rows == of)

    def accepted(self, job: Snapshot) -> None:
        self._job = job
        if job.source is not None:
            for line in (f"target {source_words(job.source)}", *source_notes(job.source)):
                self._write_line(line)
        self._write_line(plan_line(job))
        self._draw(0.0, f"{job.model}: waiting for a worker", last=True)

    def trained(self, record: Record) -> None:
        if self._job is None:
            return
        epochs = int(self._job.plan.get("epochs", 0))
        share = record.epoch / epochs if epochs else 0.0
        columns = shutil.get_terminal_size().columns - 1
        line = record_line(record, self._job, columns=columns - bar_width(columns) - 1)
        for finding in record.findings:
            self._write_line(finding_line(finding))
        self._draw(share, line, last=record.epoch == epochs or bool(record.findings or record.stopped))
        if (kept := self._kept.line(record, self._job)) is not None:
            self._stream.write(f"\n{printable(kept)}")

    def changed(self, change: Transition) -> None:
        if (line := waiting_line(change)) is not None:
            self._draw(self._share, line, last=True)

    def waiting(self, address: str) -> None:
        self._draw(self._share, f"waiting for {address} …", last=True)

    def closed(self) -> None:
        self._stream.write("\n" if self._drawn else "")
        self._stream.flush()

    def _write_line(self, line: str) -> None:
        """Write a line in place of the bar, which is drawn again below it."""
        self._stream.write(f"\r{printable(line).ljust(shutil.get_terminal_size().columns - 1)}\n")

    def _draw(self, share: float, words: str, *, last: bool) -> None:
        """Draw the bar with `words`; unless it is the `last` one for a while, not more often than every 0.1 s."""
        now = time.monotonic()
        if not last and now - self._drawn < 0.1:  # small networks train a thousand epochs a second
            return
        self._drawn, self._share = now, share
        columns = shutil.get_terminal_size().columns - 1
        width = bar_width(columns)
        full = round(width * min(share, 1.0))
        line = f"{'━' * full}{'─' * (width - full)} {printable(words)}"[:columns]
        self._stream.write(f"\r{line.ljust(columns)}")
        self._stream.flush()


def bar_width(columns: int) -> int:
    """Return the width of the bar on a line of `columns`: the same for each epoch, so that the text does not move."""
    least = min(_LEAST, columns // 7)  # a narrow terminal needs its columns for the text
    return max(least, min(_MOST, columns - _LINE))


def display_of(progress: object) -> Progress:
    """Return the display for the argument `progress`: for True a bar on a terminal or in a notebook, for False none."""
    if isinstance(progress, bool):
        return Bar(sys.stderr) if progress and _is_seen() else Silent()
    if not isinstance(progress, Progress):
        wanted = "True, False or an object with the methods uploaded, accepted, trained and closed"
        raise InvalidRequest(f"progress: expected {wanted}, got {type(progress).__name__}", pointer="progress")
    return progress


def sending_of(display: Progress) -> Callable[[int, int], None] | None:
    """Return the method by which `display` shows how much of a file is sent; None if it has none."""
    return display.sent if isinstance(display, _ShowsSending) else None


def predicting_of(display: Progress) -> Callable[[int, int], None] | None:
    """Return the method by which `display` shows how many rows are predicted; None if it has none."""
    return display.predicted if isinstance(display, _ShowsPredicting) else None


def waiting_of(display: Progress) -> Callable[[str], None] | None:
    """Return the method by which `display` shows that the service does not answer; None if it has none."""
    return display.waiting if isinstance(display, _ShowsWaiting) else None


def changed_of(display: Progress) -> Callable[[Transition], None] | None:
    """Return the method by which `display` shows changes of the job's state; None if it has none."""
    return display.changed if isinstance(display, _ShowsChanges) else None


def show_left(display: Progress, job_id: str) -> None:
    """Show on `display`, or else on stderr, that the job goes on and how to return to it."""
    if isinstance(display, _ShowsLeft):
        display.left(job_id)
    else:
        sys.stderr.write(
            f"\nThe job goes on. To return to it: client.job({job_id!r}).wait(), or: layerwise jobs watch {job_id}\n"
        )


def show_waiting(address: str) -> None:
    """Say on a terminal or in a notebook that no service answers at `address`."""
    if _is_seen():
        sys.stderr.write(f"waiting for {address} …\n")
        sys.stderr.flush()


def show_pause(change: Transition) -> None:
    """Say on a terminal or in a notebook that the job that is waited for does not go on by itself."""
    if change.state == "PAUSED" and _is_seen():
        sys.stderr.write("the job is paused: it goes on when it is resumed\n")
        sys.stderr.flush()


def _is_seen() -> bool:
    """Return whether stderr is a terminal or the output of a notebook."""
    notebook = "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None
    return notebook or sys.stderr.isatty()
