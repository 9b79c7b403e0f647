"""What several commands share: where the service is, `--json`, and a group whose bare name lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from layerwise_client.client import Client

C = TypeVar("C", bound=Callable[..., object])

_TIMEOUT = "layerwise.timeout"


def _keep_timeout(ctx: click.Context, param: click.Parameter, value: float) -> None:
    ctx.meta[_TIMEOUT] = value


def rpc_option(command: C) -> C:
    """Adds `--rpc`, the parameter `rpc`, and `--timeout`, which `connect` knows."""
    timeout = click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=30.0,
        show_default=True,
        metavar="SECONDS",
        expose_value=False,
        callback=_keep_timeout,
        help="How long to wait for an answer, or for a service that is not there.",
    )
    rpc = click.option(
        "--rpc",
        envvar="LAYERWISE_RPC_ADDRESS",
        default="127.0.0.1:50051",
        show_default=True,
        show_envvar=True,
        metavar="HOST:PORT",
        help="The service's training API.",
    )
    return rpc(timeout(command))


rest_option = click.option(
    "--rest",
    envvar="LAYERWISE_REST_ADDRESS",
    show_envvar=True,
    metavar="URL",
    help="Its prediction endpoint; without it, --rpc is asked.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on stdout.")

MISSING_HELP = "A cell that has no value, beside the empty one.  [default: NA, N/A, NaN, nan, NULL, null]"


def connect(rpc: str, *, rest: str | None = None) -> Client:
    """A client by the command's `--timeout`, which says on stderr when it waits for a service that is not there."""
    timeout: float = click.get_current_context().meta[_TIMEOUT]
    return Client(rpc, rest=rest, timeout=timeout, on_waiting=tell_waiting)


def tell_waiting(address: str) -> None:
    """Says on stderr that no service answers at `address`."""
    click.echo(f"waiting for {address} …", err=True)


class ListGroup(click.Group):
    """A group that lists if no command is named: `layerwise jobs --json` is `layerwise jobs list --json`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in self.get_help_option_names(ctx)):
            args = ["list", *args]
        return super().parse_args(ctx, args)
