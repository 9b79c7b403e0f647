"""`layerwise jobs`: list, show and watch training jobs. For what changes them see job_changes.py."""

from __future__ import annotations

from datetime import datetime

import click

from layerwise_client.cli.job_changes import cancel, delete, pause, read_labels, resume, update
from layerwise_client.cli.live import JSONLines, display
from layerwise_client.cli.options import ListGroup, connect, json_option, rpc_option
from layerwise_client.cli.output import emit, epoch_of, facts, measured_on, say, table
from layerwise_client.results import STATES, Snapshot, Summary
from layerwise_client.wording import duration, finding_line, plan_words, source_notes, source_words

_LISTED = 20
_SHOWN = 12  # characters of an id in a list, which is enough to name the job
_LABEL_HELP = "Only jobs with this label; may be given several times."


@click.group(cls=ListGroup, short_help="List, show, watch, pause and cancel training jobs.")
def jobs() -> None:
    """List, show, watch, pause, resume, cancel and delete training jobs; without a command, list them.

    ID is the id of a job, the beginning of it that no other has, of at least 4 characters, or "last".
    """


jobs.add_command(cancel)
jobs.add_command(pause)
jobs.add_command(resume)
jobs.add_command(update)
jobs.add_command(delete)


@jobs.command("list", short_help="List jobs, newest first.")
@click.option("--state", type=click.Choice(STATES, case_sensitive=False), help="Only jobs in this state.")
@click.option("--model", help="Only jobs of this model.")
@click.option("--label", "labels", multiple=True, callback=read_labels, metavar="NAME=VALUE", help=_LABEL_HELP)
@click.option("--after", type=click.DateTime(), metavar="TIME", help="Only jobs that were submitted after this time.")
@click.option("--before", type=click.DateTime(), metavar="TIME", help="Only jobs that were submitted before this time.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Number of jobs to list at most.  [default: {_LISTED}, with --json all]",
)
@rpc_option
@json_option
def list_jobs(
    *,
    state: str | None,
    model: str | None,
    labels: dict[str, str],
    after: datetime | None,
    before: datetime | None,
    limit: int | None,
    rpc: str,
    as_json: bool,
) -> None:
    """List jobs, newest first. A line on stderr says if there are more. `jobs show ID` shows one job in full."""
    if limit is None and not as_json:
        limit = _LISTED
    with connect(rpc) as client:
        one_more = None if limit is None else limit + 1
        asked = client.jobs(
            state=state, model=model, labels=labels, created_after=after, created_before=before, limit=one_more
        )
        found = [job.summary for job in asked]
    listed = found[:limit]
    if as_json:
        emit(listed)
    else:
        columns = ("job", "model", "state", "done", "metric", "rows", "data", "took", "version", "created")
        table(columns, map(_line, listed))
    if len(found) > len(listed):
        shown = "job is" if limit == 1 else f"{limit} jobs are"
        say(f"only the newest {shown} listed; list more with --limit {2 * len(listed)}, all with --json", err=True)


@jobs.command(short_help="Show a job in full.")
@click.argument("job_id", metavar="ID")
@rpc_option
@json_option
def show(job_id: str, rpc: str, as_json: bool) -> None:
    """Show a job: its model, its progress, its plan and its changes of state."""
    with connect(rpc) as client:
        job = client.job(job_id).snapshot
    if as_json:
        emit(job)
    else:
        _show(job)


@jobs.command(short_help="Follow a job to its end.")
@click.argument("job_id", metavar="ID")
@click.option(
    "--from-step", type=click.IntRange(min=0), default=0, metavar="N", help="Leave out the records up to this step."
)
@rpc_option
@json_option
def watch(job_id: str, from_step: int, rpc: str, as_json: bool) -> None:
    """Follow a job to its end; with --json, one line of JSON for each epoch.

    The exit code is 0 if the job succeeds, else 1.
    """
    with connect(rpc) as client:
        job = client.job(job_id)
        view = JSONLines() if as_json else display()
        try:
            view.accepted(job.snapshot)
            job.follow(view, from_step=from_step)
        finally:
            view.closed()
        ended = job.wait().snapshot
    if not as_json:
        _show(ended)


def _line(job: Summary) -> tuple[object, ...]:
    metric = None if job.metric_value is None else f"{job.metric} {job.metric_value:.4g}"
    took = duration(job.seconds) if job.seconds else None
    return (
        job.id[:_SHOWN],
        job.model,
        job.state,
        f"{job.progress:.0%}",
        metric,
        f"{job.rows:,}",
        job.source_name,
        took,
        job.version,
        job.created,
    )


def _show(job: Snapshot) -> None:
    record = job.record
    facts(
        {
            "job": job.id,
            "model": job.model,
            "state": job.state,
            "version": job.version,
            "failure": job.failure and f"{job.failure.reason}: {job.failure.message}",
            "done": f"{job.progress:.0%}",
            "epoch": epoch_of(job),
            "ended by": record and record.stopped,
            "loss": record and record.loss,
            job.metric or "metric": record and record.metric,
            f"validation {job.metric}": record and record.validation_metric,
            "measured on": measured_on(job),
            "labels": ", ".join(f"{name}={value}" for name, value in job.labels.items()) or None,
            "note": job.note or None,
            "priority": job.priority or None,
            "attempt": job.attempt,
            "rows": job.rows,
            "dataset": job.dataset,
            "target": job.source and source_words(job.source),
            "started from": job.start_from,
            "architecture": job.architecture,
            "plan": plan_words(job),
            "plan in full": job.plan,
        }
    )
    for change in job.transitions:
        say(f"{change.time.astimezone():%Y-%m-%d %H:%M:%S}  {change.state}  {change.reason}")
    for finding in job.findings:
        say(finding_line(finding))
    for note in source_notes(job.source) if job.source else ():
        say(f"data: {note}")
