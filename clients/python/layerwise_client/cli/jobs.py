"""`layerwise jobs`: list, show, watch and cancel training jobs."""

from __future__ import annotations

import click

from layerwise_client.cli.live import JSONLines, display
from layerwise_client.cli.options import ListGroup, connect, json_option, rpc_option
from layerwise_client.cli.output import emit, epoch_of, facts, measured_on, say, table
from layerwise_client.results import STATES, Snapshot, Summary
from layerwise_client.wording import finding_line, plan_words, source_notes, source_words

_LISTED = 20


@click.group(cls=ListGroup, short_help="List, show, watch and cancel training jobs.")
def jobs() -> None:
    """List, show, watch and cancel training jobs; without a command, list them."""


@jobs.command("list", short_help="List jobs, newest first.")
@click.option("--state", type=click.Choice(STATES, case_sensitive=False), help="Only jobs in this state.")
@click.option("--model", help="Only jobs of this model.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Number of jobs to list at most.  [default: {_LISTED}, with --json all]",
)
@rpc_option
@json_option
def list_jobs(state: str | None, model: str | None, limit: int | None, rpc: str, as_json: bool) -> None:
    """List jobs, newest first. A line on stderr says if there are more. `jobs show ID` shows one job in full."""
    if limit is None and not as_json:
        limit = _LISTED
    with connect(rpc) as client:
        one_more = None if limit is None else limit + 1
        found = [job.summary for job in client.jobs(state=state, model=model, limit=one_more)]
    listed = found[:limit]
    if as_json:
        emit(listed)
    else:
        table(("job", "model", "state", "done", "version", "created"), map(_line, listed))
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


@jobs.command(short_help="Cancel a job.")
@click.argument("job_id", metavar="ID")
@rpc_option
@json_option
def cancel(job_id: str, rpc: str, as_json: bool) -> None:
    """Cancel a job: at once if it is queued, within a second or two if it runs.

    The exit code is 1 if the job has already succeeded or failed.
    """
    with connect(rpc) as client:
        job = client.job(job_id).cancel().snapshot
    if as_json:
        emit(job)
    elif job.state == "CANCELLED":
        say(f"{job.id} is CANCELLED")
    elif job.ended:
        say(f"layerwise: {job.id} has already ended and is {job.state}", err=True)
    else:
        say(f"{job.id} will be cancelled in a moment")
    if job.ended and job.state != "CANCELLED":
        raise click.exceptions.Exit(1)


def _line(job: Summary) -> tuple[object, ...]:
    return job.id, job.model, job.state, f"{job.progress:.0%}", job.version, job.created


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
            "attempt": job.attempt,
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
