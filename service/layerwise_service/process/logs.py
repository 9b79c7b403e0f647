"""Logs: events with fields, as text on a terminal and as JSON elsewhere. Logging neither raises nor blocks."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TextIO, cast

import structlog

from layerwise_service.process.counts import COUNTS, LOST_LINES
from layerwise_service.process.lifecycle import at_end
from layerwise_service.process.output import Output, hold_standard_descriptors


def configure_logs(style: str, *, process: str, serves: bool = True) -> None:
    """Configure the log of this process; `style` is auto, text or json, and `process` is a field of every event.

    In a process that `serves`, writing to stdout and stderr from Python neither raises nor blocks from then on. A
    command that ends by itself keeps the usual streams, so that its user learns of a broken pipe.
    """
    if serves:
        _take_streams(style, process)
    text = _is_text(style)
    renderer: structlog.typing.Processor = (
        # plain tracebacks: structlog's others print local variables, which may hold users' rows
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
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries use the standard logging module: only their warnings are logged, on the same stream.
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s", force=True
    )


def _is_text(style: str) -> bool:
    return style == "text" or (style == "auto" and sys.stderr.isatty())


def _take_streams(style: str, process: str) -> None:
    """Replace stdout and stderr by streams that neither raise nor block."""
    hold_standard_descriptors()
    text, series = _is_text(style), (LOST_LINES, process)

    def count(lines: int) -> None:
        COUNTS.add(series, [float(lines)])

    def notice(lines: int) -> str:
        if text:
            return f"{time.strftime('%H:%M:%S')} [warning] log_lines_lost lines={lines} process={process}\n"
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        fields = {"event": "log_lines_lost", "lines": lines, "process": process, "level": "warning"}
        return json.dumps(fields | {"timestamp": moment}) + "\n"

    out, err = Output(1, on_lost=count), Output(2, on_lost=count, notice=notice)
    for stream in (out, err):
        at_end(stream.drain)
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
