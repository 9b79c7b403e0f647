"""`python -m layerwise_service.commands NAME`: how the supervisor starts its processes."""

import click

from layerwise_service.commands.health import healthcheck
from layerwise_service.commands.run import adopt, config, rest, rpc, serve, worker

click.Group("layerwise", commands=[serve, rest, rpc, worker, healthcheck, config, adopt])()
