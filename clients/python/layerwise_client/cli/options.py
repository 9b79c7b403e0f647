"""What several commands share: where the service is, `--json`, and a group whose bare name lists."""

from __future__ import annotations

import click

rpc_option = click.option(
    "--rpc",
    envvar="LAYERWISE_RPC_ADDRESS",
    default="127.0.0.1:50051",
    show_default=True,
    show_envvar=True,
    metavar="HOST:PORT",
    help="The service's training API.",
)
rest_option = click.option(
    "--rest",
    envvar="LAYERWISE_REST_ADDRESS",
    show_envvar=True,
    metavar="URL",
    help="Its prediction endpoint; without it, --rpc is asked.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on stdout.")


class ListGroup(click.Group):
    """A group that lists if no command is named: `layerwise jobs --json` is `layerwise jobs list --json`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in self.get_help_option_names(ctx)):
            args = ["list", *args]
        return super().parse_args(ctx, args)
