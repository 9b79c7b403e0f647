"""gRPC's health service, whose watchers end with the server."""

from __future__ import annotations

import asyncio
from typing import Any

from grpc_health.v1 import health, health_pb2

from layerwise_service.errors import Unavailable

_TOLD_SECONDS = 0.1  # for the last status to be written


class HealthServicer(health.aio.HealthServicer):  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue, reportUntypedBaseClass]
    """The health of each service. `end` ends its watchers: a server that stops would wait for them."""

    def __init__(self) -> None:
        super().__init__()
        self._watching: set[asyncio.Task[Any]] = set()
        self._over = False

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:
        """Tell the status, and each change of it. Raises `Unavailable` when the service stops."""
        task = asyncio.current_task()
        assert task is not None
        self._watching.add(task)
        try:
            await super().Watch(request, context)
        except asyncio.CancelledError:
            if not self._over:
                raise
            task.uncancel()
            raise Unavailable("the service stops") from None
        finally:
            self._watching.discard(task)

    async def end(self) -> None:
        """End all watchers, once they have been told the last status."""
        self._over = True
        if self._watching:
            await asyncio.sleep(_TOLD_SECONDS)
        for task in [*self._watching]:
            task.cancel()
