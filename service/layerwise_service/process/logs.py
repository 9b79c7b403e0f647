"""Logs: events with fields, as text on a terminal and as JSON elsewhere. Logging neither raises nor blocks."""

from __future__ import annotations

import atexit
import json
import logging
import sys
import time
from typing import TextIO, cast

import structlog

from layerwise_service.process.counts import COUNTS, LOST_LINES
from layerwise_service.process.output import Output, hold_standard_descriptors


def configure_logs(style: str, *, process: str, serves: bool = True) -> None:
    """Set the log of this process up; `style` is auto, text or json, `process` stands in every event.

    From here on both standard streams of a process that `serves` neither raise nor block, for everything in it that is
    Python. A command that ends by itself keeps them as they are: its user wants to hear that nobody listens.
    """
    if serves:
        _take_streams(style, process)
    text = _is_text(style)
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
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries log by the standard module: their warnings only, on the same stream.
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s", force=True
    )


def _is_text(style: str) -> bool:
    return style == "text" or (style == "auto" and sys.stderr.isatty())


def _take_streams(style: str, process: str) -> None:
    """Puts streams that neither raise nor block in the place of both standard streams."""
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
        atexit.register(stream.drain)
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
