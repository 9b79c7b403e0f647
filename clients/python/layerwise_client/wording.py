"""Lines that displays show about a training: its columns, its plan, a record, a finding, a wait."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layerwise.tables import TableWarning
    from layerwise_client.profile import DatasetFinding
    from layerwise_client.results import Finding, Record, Snapshot, Transition
    from layerwise_client.source import Source

_WAITS_FOR = {"NO_SPACE": "the disk of the service is full"}
"""What a job waits for, by the reason of its change of state."""


def printable(text: str) -> str:
    """Return `text` on one line, without control characters and the like: those are escaped as by `repr`."""
    return text if text.isprintable() else "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def counted(count: float, noun: str, plural: str = "") -> str:
    """Return the count with the noun, as the library does: "1 epoch", "1,234 epochs"."""
    from layerwise import checks

    return checks.counted(count, noun, plural)


def sent_words(size: int, of: int) -> str:
    """Return how much of a file is sent, or that the service reads it: "upload 12.3/45.6 MB"."""
    if size == of:
        return "the service reads the file …"
    return f"upload {size / 1e6:,.1f}/{of / 1e6:,.1f} MB"


def predicted_words(rows: int, of: int) -> str:
    """Return how many rows of a file are predicted: "predict 4,096/100,000 rows"."""
    return f"predict {rows:,}/{counted(of, 'row')}"


def columns_line(job: Snapshot) -> str | None:
    """Return how many columns of each kind the table has, and how many inputs they give; None for rows of numbers."""
    if (counts := job.columns) is None:
        return None
    kinds = (
        (counts.numbers, "number", "numbers"),
        (counts.categories, "category", "categories"),
        (counts.dates, "date", "dates"),
        (counts.texts, "text", "texts"),
    )
    columns = ", ".join(counted(count, one, many) for count, one, many in kinds if count)
    inputs = counted(int(job.architecture.get("inputs", 0)), "input")
    return f"columns: {columns}, {counts.with_gaps or 'none'} with gaps: {inputs}"


def source_words(source: Source) -> str:
    """Return what the target of a job was taken for and why: "sold: classification, since texts are classes".

    It says what cannot be learnt; other doubts are about the file, and have been shown with it.
    """
    why = "" if source.why == "as asked" else ","
    left_out = counted(source.left_out, "row without it is", "rows without it are")
    words = f"{source.target}: {source.task}{why} {source.why}"
    words = f"{words}; {left_out} left out" if source.left_out else words
    return "; ".join([words, *(doubt.message for doubt in source.doubts if doubt.reason == "HELD_OUT_CLASSES")])


def source_notes(source: Source) -> list[str]:
    """Return what was doubtful about the data and what was found in it, a line for each."""
    doubts = [f"{f'{doubt.column}: ' if doubt.column else ''}{doubt.message}" for doubt in source.doubts]
    said = {(doubt.reason, (doubt.column,)) for doubt in source.doubts}
    found = [each for each in source.findings if (each.reason, each.columns) not in said]
    return [*doubts, *map(dataset_finding_line, found)]


def plan_line(job: Snapshot) -> str:
    """Return the plan in one line: `plan: ` and `plan_words`."""
    return f"plan: {plan_words(job)}"


def plan_words(job: Snapshot) -> str:
    """Return the main settings of the job's plan, as the service completed it.

    `at most 282 epochs, batches of 64 rows, adam at a rate of 0.001, l2 0.002, 10 % of the rows held out, ends after 9
    epochs without a better validation_loss`.
    """
    return ", ".join(_settings_of(job.plan, job.held_out))


def _settings_of(plan: Mapping[str, Any], own_rows: int) -> Iterator[str]:
    """Yield the words for each main setting that the plan has; `own_rows` are held out whatever it says."""
    from layerwise.wording import number_words

    stopping: Mapping[str, Any] = plan.get("early_stopping") or {}
    optimizer: Mapping[str, Any] = plan.get("optimizer") or {}
    held_out, split = plan.get("validation"), plan.get("split", "random")
    if "epochs" in plan:
        may_end_early = stopping or plan.get("max_steps") or plan.get("max_seconds")
        yield f"{'at most ' if may_end_early else ''}{counted(plan['epochs'], 'epoch')}"
        if (warmup := plan.get("warmup", 0)) >= plan["epochs"]:
            yield f"warmup over {counted(warmup, 'epoch')} never ends"
    if "batch_size" in plan:
        yield f"batches of {counted(plan['batch_size'], 'row')}"
    if (rate := optimizer.get("learning_rate")) is not None:
        yield f"{optimizer['kind']} at a rate of {number_words(rate, digits=3)}"
    if l2 := plan.get("l2"):
        yield f"l2 {number_words(l2, digits=3)}"
    if own_rows:
        yield f"{counted(own_rows, 'row')} of your own held out"
    elif held_out:
        yield f"{100 * held_out:.3g} % of the rows held out"
    elif held_out == 0:
        yield "no rows held out"
        if split != "random":
            yield f"so split {split} has no effect"
    if "max_steps" in plan:
        yield f"ends after {counted(plan['max_steps'], 'step')}"
    if "max_seconds" in plan:
        yield f"ends after {number_words(plan['max_seconds'])} s"
    if stopping:
        patience, watched = counted(stopping.get("patience", 0), "epoch"), stopping.get("watch", "validation_loss")
        yield f"ends after {patience} without a better {watched}"


def record_line(record: Record, job: Snapshot, *, columns: int | None = None) -> str:
    """Return a record in one line.

    `epoch 7/20  loss 0.0312  accuracy 0.991  validation 0.972  81,200 rows/s  3 s left`.

    If training ended before its last epoch, the line says why instead of the time left. If the line is longer than
    `columns`, it leaves out the speed, the time left, the loss, and the metric where there is one of the held-out rows,
    in this order.
    """
    from layerwise.wording import number_words, score_words

    epochs = job.plan.get("epochs")
    left = f"{duration(record.seconds_left)} left" if record.seconds_left >= 1 else ""
    if record.stopped and record.stopped != "epochs":
        left = f"ended by {record.stopped}"
    held_out = record.validation_metric
    parts = {
        "epoch": f"epoch {record.epoch}/{epochs}" if epochs else f"epoch {record.epoch}",
        "loss": f"loss {number_words(record.loss)}",
        "metric": f"{job.metric or 'metric'} {score_words(record.metric)}",
        "validation": "" if held_out is None else f"validation {score_words(held_out)}",
        "speed": f"{record.rows_per_second:,.0f} rows/s",
        "left": left,
    }
    less_needed = ["speed", "left", "loss", *([] if held_out is None else ["metric"])]
    while True:
        line = "  ".join(part for part in parts.values() if part)
        if columns is None or len(line) <= columns or not less_needed:
            return line
        del parts[less_needed.pop(0)]


def warning_line(warning: TableWarning) -> str:
    """Return a warning about rows to predict in one line; rows count from 1, as in the table of predictions.

    A warning about the table as a whole has no rows.
    """
    if not warning.rows:
        return f"warning: {warning.message}"
    where = f"row {warning.row + 1}"
    if warning.rows > 1:
        where = f"{counted(warning.rows, 'row')}, first {where}"
    return f"warning: {warning.column}: {where}: {warning.message}"


def waiting_line(change: Transition) -> str | None:
    """Return why a job does not go on now, or that it does; None if `change` is about neither."""
    if change.state == "WAITING":
        return f"waiting: {_WAITS_FOR.get(change.reason, 'the storage of the service does not answer')}"
    if change.state == "PAUSED":
        return "paused: it goes on when it is resumed (layerwise jobs resume)"
    if change.state == "CANCELLING":
        return "cancelling …"
    return "the job goes on" if change.reason in ("CONTINUED", "RESUME_REQUESTED") else None


def finding_line(finding: Finding) -> str:
    """Return a finding in one line: `doctor: layer 2: 43 % of its ReLU units are dead since epoch 3: …`."""
    return f"doctor: {finding.message}"


def dataset_finding_line(finding: DatasetFinding) -> str:
    """Return a finding about a dataset in one line: `id: differs in every row, … (--ignore id)`."""
    columns = f"{', '.join(finding.columns)}: " if finding.columns else ""
    return f"{columns}{finding.message}{f' ({finding.flag})' if finding.flag else ''}"


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
