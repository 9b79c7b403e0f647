"""Logs: events with fields, as text on a terminal and as JSON elsewhere."""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logs(style: str, *, process: str) -> None:
    """Sets the log of this process up; `style` is auto, text or json, `process` stands in every event."""
    text = style == "text" or (style == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        # plain tracebacks: the others print local variables, and users' rows with them
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if text
        else structlog.processors.JSONRenderer()
    )

    def name_process(logger: object, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {**event, "process": process}

    timestamp = structlog.processors.TimeStamper(fmt="%H:%M:%S" if text else "iso", utc=not text)
    tracebacks: list[structlog.typing.Processor] = [] if text else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            name_process,
            structlog.processors.add_log_level,
            timestamp,
            *tracebacks,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries log by the standard module: their warnings only, on the same stream.
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s", force=True
    )
