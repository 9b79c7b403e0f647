"""`layerwise jobs cancel`, `pause`, `resume`, `update` and `delete`: what changes a job."""

from __future__ import annotations

import sys
from typing import Any

import click

from layerwise_client.cli.options import connect, json_option, rpc_option
from layerwise_client.cli.output import emit, say
from layerwise_client.results import Snapshot


def read_labels(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """Return the labels of an option that may be given several times."""
    labels: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"expected NAME=VALUE, got {each!r}", ctx, param)
        if name in labels:
            raise click.BadParameter(f"{name} is given twice", ctx, param)
        labels[name] = value
    return labels


@click.command(short_help="Cancel a job, or end it and keep what it has.")
@click.argument("job_id", metavar="ID")
@click.option(
    "--keep",
    type=click.Choice(["best"]),
    help="End the training where it is, and publish that: with early stopping, the best epoch.",
)
@rpc_option
@json_option
def cancel(job_id: str, keep: str | None, rpc: str, as_json: bool) -> None:
    """Cancel a job: at once if it waits, within a second or two if it runs. `jobs resume` lets it go on.

    With --keep best the job ends early instead, and publishes a version. The exit code is 1 if it has already ended in
    another way.
    """
    with connect(rpc) as client:
        job = client.job(job_id).cancel(keep=keep).snapshot
    wanted = "CANCELLED" if keep is None else "SUCCEEDED"
    if as_json:
        emit(job)
    elif job.state == wanted:
        say(f"{job.id} is {job.state}{_published(job)}")
    elif job.ended:
        say(f"layerwise: {job.id} has already ended and is {job.state}", err=True)
    elif keep is None:
        say(f"{job.id} will be cancelled in a moment")
    else:
        say(f"{job.id} ends in a moment and publishes what it has; to see it: layerwise jobs watch {job.id}")
    if job.ended and job.state != wanted:
        raise click.exceptions.Exit(1)


@click.command(short_help="Pause a job.")
@click.argument("job_id", metavar="ID")
@rpc_option
@json_option
def pause(job_id: str, rpc: str, as_json: bool) -> None:
    """Pause a job: its worker stores where it is, and takes other jobs. `jobs resume` lets it go on."""
    with connect(rpc) as client:
        job = client.job(job_id).pause().snapshot
    if as_json:
        emit(job)
    elif job.state == "PAUSED":
        say(f"{job.id} is PAUSED; to let it go on: layerwise jobs resume {job.id}")
    else:
        say(f"{job.id} pauses in a moment; to let it go on: layerwise jobs resume {job.id}")


@click.command(short_help="Let a job go on that is paused or has ended.")
@click.argument("job_id", metavar="ID")
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Epochs that the job shall have, if that changes; needed for a job that has trained all of its epochs.",
)
@rpc_option
@json_option
def resume(job_id: str, epochs: int | None, rpc: str, as_json: bool) -> None:
    """Let a job go on that is paused, cancelled or failed, to the same weights as if it had never stopped.

    A job that has succeeded is trained for more epochs, and publishes another version.
    """
    with connect(rpc) as client:
        job = client.job(job_id).resume(epochs=epochs).snapshot
    if as_json:
        emit(job)
    elif job.ended:
        say(f"{job.id} has trained its {epochs} epochs already: nothing was started")
    else:
        say(f"{job.id} is {job.state}{_published(job)}; to follow it: layerwise jobs watch {job.id}")


@click.command(short_help="Set labels and the note of a job.")
@click.argument("job_id", metavar="ID")
@click.option(
    "--label",
    "labels",
    multiple=True,
    callback=read_labels,
    metavar="NAME=VALUE",
    help="Label to set; may be given several times. Other labels stay.",
)
@click.option("--remove-label", "removed", multiple=True, metavar="NAME", help="Label to remove.")
@click.option("--note", metavar="TEXT", help="The new note.")
@rpc_option
@json_option
def update(
    *, job_id: str, labels: dict[str, str], removed: tuple[str, ...], note: str | None, rpc: str, as_json: bool
) -> None:
    """Set labels, by which `jobs list` finds jobs, and the note of a job."""
    if not labels and not removed and note is None:
        raise click.UsageError("give --label, --remove-label or --note")
    if both := labels.keys() & set(removed):
        raise click.UsageError(f"--label and --remove-label both name {min(both)}")
    with connect(rpc) as client:
        job = client.job(job_id).update(labels={**labels, **dict.fromkeys(removed)}, note=note).snapshot
    if as_json:
        emit(job)
    else:
        shown: list[Any] = [f"{name}={value}" for name, value in job.labels.items()]
        say(f"{job.id}: {', '.join(shown) or 'no labels'}{f'; {job.note}' if job.note else ''}")


@click.command(short_help="Delete jobs that have ended.")
@click.argument("job_ids", metavar="ID…", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@rpc_option
def delete(job_ids: tuple[str, ...], *, yes: bool, rpc: str) -> None:
    """Delete jobs that have ended, after asking, with their records and rows. Their versions stay."""
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("--yes deletes the jobs without asking; nothing was deleted")
    with connect(rpc) as client:
        found = [client.job(given) for given in job_ids]
        for job in found:
            if yes or click.confirm(f"delete job {job.id} of {job.model}, {job.summary.state}?", err=True):
                job.delete()
                say(f"deleted job {job.id}")


def _published(job: Snapshot) -> str:
    return "" if job.version is None else f", version {job.version} of {job.model}"
