"""Options that several commands share, and a group of commands that lists by default."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from layerwise_client.cli.output import say
from layerwise_client.cli.places import naming_parameters
from layerwise_client.client import Client
from layerwise_client.errors import InvalidRequest

C = TypeVar("C", bound=Callable[..., object])

_TIMEOUT = "layerwise.timeout"


class Choice(click.Choice[str]):
    """A choice whose error suggests the option that is most like the one that was given."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as exc:
            from layerwise.wording import did_you_mean

            self.fail(f"{exc.message.rstrip('.')}{did_you_mean(value, self.choices)}", param, ctx)


def _keep_timeout(ctx: click.Context, param: click.Parameter, value: float) -> None:
    ctx.meta[_TIMEOUT] = value


def rpc_option(command: C) -> C:
    """Add `--rpc` (parameter `rpc`) and `--timeout` (used by `connect`) to a command."""
    timeout = click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=30.0,
        show_default=True,
        metavar="SECONDS",
        expose_value=False,
        callback=_keep_timeout,
        help="Seconds to wait for an answer, or for the service to start.",
    )
    rpc = click.option(
        "--rpc",
        envvar="LAYERWISE_RPC_ADDRESS",
        default="127.0.0.1:50051",
        show_default=True,
        show_envvar=True,
        metavar="HOST:PORT",
        help="Address of the service's gRPC API.",
    )
    return rpc(timeout(command))


rest_option = click.option(
    "--rest",
    envvar="LAYERWISE_REST_ADDRESS",
    show_envvar=True,
    metavar="URL",
    help="Address of the service's REST API, to predict --row over REST.  [default: predict over --rpc]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on stdout.")

MISSING_HELP = (
    "Word that stands for a missing value, besides the empty cell; may be given several times.  "
    "[default: NA, N/A, NaN, NULL, None, nil and the like]"
)


class _CommandClient(Client):
    """Client of a command, which has one thread: it loads the library when it is needed, which many never do."""

    @staticmethod
    def _load_library() -> None:
        pass


@contextmanager
def connect(rpc: str, *, rest: str | None = None) -> Generator[Client]:
    """Open a client with the command's `--timeout`, which says on stderr when it waits for the service.

    Errors about an argument name the command's option or argument.
    """
    timeout: float = click.get_current_context().meta[_TIMEOUT]
    try:
        client = _CommandClient(rpc, rest=rest, timeout=timeout, on_waiting=show_waiting)
    except InvalidRequest as exc:
        option = {"rest": "--rest", "timeout": "--timeout"}.get(str(exc.place[0]), "--rpc")
        raise click.BadParameter(exc.detail, param_hint=option) from exc
    with client, naming_parameters():
        yield client


def show_waiting(address: str) -> None:
    """Say on stderr that the command waits for a service at `address`."""
    say(f"waiting for {address} …", err=True)


class ListGroup(click.Group):
    """A group whose default command is `list`, so that `layerwise jobs --json` is `layerwise jobs list --json`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in self.get_help_option_names(ctx)):
            args = ["list", *args]
        return super().parse_args(ctx, args)
