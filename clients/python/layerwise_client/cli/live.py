"""Progress of a training on stderr: a bar on a terminal, about twenty lines elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as RichProgress

from layerwise_client.cli.output import emit, say
from layerwise_client.progress import KeptEpoch, Progress, Silent, bar_width
from layerwise_client.results import Record, Snapshot, Transition
from layerwise_client.wording import (
    columns_line,
    counted,
    finding_line,
    plan_line,
    predicted_words,
    printable,
    record_line,
    sent_words,
    source_words,
    waiting_line,
)

_LINES = 20
_LARGE = 8 << 20  # bytes of a file that takes a moment to send


def display() -> Progress:
    """Return a bar if stderr is a terminal, else a display that writes lines."""
    return _Bar() if sys.stderr.isatty() else _Lines()


def upload_display(path: Path, name: str = "") -> Progress:
    """Return a display of the upload of a file: a bar on a terminal, a line elsewhere; nothing for a small file.

    It also shows how many rows are predicted. The line has the `name` of the file.
    """
    if path.stat().st_size <= _LARGE:
        return Silent()
    if sys.stderr.isatty():
        return _FileBar()
    say(f"sending {name or path.name} …", err=True)
    return Silent()


class _FileBar(Silent):
    """A bar that is gone when the file is read, or all rows are predicted."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = BarColumn(bar_width(console.width)), TextColumn("{task.description}", markup=False)
        self._bar = RichProgress(*columns, console=console, transient=True)
        self._task: TaskID = self._bar.add_task("upload", total=None)
        self._bar.start()

    def sent(self, size: int, of: int) -> None:
        # without a total the bar moves to and fro, while the service reads the file
        self._bar.update(self._task, completed=size, total=of, description=sent_words(size, of))
        if size == of:
            self._bar.reset(self._task, total=None)

    def predicted(self, rows: int, of: int) -> None:
        self._bar.update(self._task, completed=rows, total=of, description=predicted_words(rows, of))

    def waiting(self, address: str) -> None:
        self._bar.update(self._task, description=f"waiting for {printable(address)} …")

    def closed(self) -> None:
        self._bar.stop()


class _Display(Silent):
    """What all displays of the command share: lines about waiting, and about a job that goes on."""

    def __init__(self) -> None:
        self._job: Snapshot | None = None
        self._kept = KeptEpoch()

    def changed(self, change: Transition) -> None:
        if (line := waiting_line(change)) is not None:
            say(line, err=True)

    def left(self, job_id: str) -> None:
        say("", err=True)
        say(
            f"The job goes on. Follow it: layerwise jobs watch {job_id}; cancel it: layerwise jobs cancel {job_id}",
            err=True,
        )


class _Bar(_Display):
    def __init__(self) -> None:
        super().__init__()
        console = Console(stderr=True)
        width = bar_width(console.width)
        self._columns = console.width - width - 1
        self._bar = RichProgress(BarColumn(width), TextColumn("{task.description}", markup=False), console=console)
        self._task: TaskID = self._bar.add_task("upload", total=None)
        self._bar.start()

    def uploaded(self, rows: int, of: int) -> None:
        self._bar.update(self._task, completed=rows, total=of, description=f"upload {rows:,}/{counted(of, 'row')}")

    def accepted(self, job: Snapshot) -> None:
        self._job = job
        if job.source is not None:
            self._print(f"target {source_words(job.source)}")
        if (line := columns_line(job)) is not None:
            self._print(line)
        self._print(plan_line(job))
        self._bar.reset(
            self._task, description=f"{printable(job.model)}: waiting for a worker", total=job.plan.get("epochs")
        )

    def trained(self, record: Record) -> None:
        for finding in record.findings:
            self._print(finding_line(finding))
        if self._job is not None:
            line = record_line(record, self._job, columns=self._columns)
            self._bar.update(self._task, completed=record.epoch, description=printable(line))
            if (kept := self._kept.line(record, self._job)) is not None:
                self._print(kept)

    def changed(self, change: Transition) -> None:
        if (line := waiting_line(change)) is not None:
            self._bar.update(self._task, description=printable(line))

    def waiting(self, address: str) -> None:
        self._bar.update(self._task, description=f"waiting for {printable(address)} …")

    def closed(self) -> None:
        self._bar.stop()

    def _print(self, line: str) -> None:
        """Print a line above the bar; the terminal wraps it, so that none of it is lost."""
        self._bar.console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


class _Lines(_Display):
    def accepted(self, job: Snapshot) -> None:
        self._job = job
        if job.source is not None:
            say(f"target {source_words(job.source)}", err=True)
        if (line := columns_line(job)) is not None:
            say(line, err=True)
        say(plan_line(job), err=True)
        say(f"job {job.id}: training {job.model}", err=True)

    def trained(self, record: Record) -> None:
        if self._job is None:
            return
        epochs = int(self._job.plan.get("epochs", 0))
        if record.epoch in (1, epochs) or record.stopped or record.epoch % max(1, epochs // _LINES) == 0:
            say(record_line(record, self._job), err=True)
        if (kept := self._kept.line(record, self._job)) is not None:
            say(kept, err=True)
        for finding in record.findings:
            say(finding_line(finding), err=True)


class JSONLines(_Display):
    """Display that writes a line of JSON on stdout for each record, and everything else to stderr."""

    def trained(self, record: Record) -> None:
        emit(record, line=True)
