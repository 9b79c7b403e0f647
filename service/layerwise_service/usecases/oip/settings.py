"""The settings of the log and of traces, in Triton's words. They are chosen when the service starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from layerwise_service.errors import InvalidRequest, Unsupported

LOG: Mapping[str, bool | int | str] = {
    "log_file": "",
    "log_info": True,
    "log_warning": True,
    "log_error": True,
    "log_verbose_level": 0,
    "log_format": "default",
}
TRACE: Mapping[str, Sequence[str]] = {
    "trace_level": ("OFF",),
    "trace_rate": ("1000",),
    "trace_count": ("-1",),
    "log_frequency": ("0",),
    "trace_file": ("",),
    "trace_mode": ("triton",),
}
_FORMATS = ("default", "ISO8601")


def check_log(changes: Mapping[str, object]) -> None:
    """Check that `changes` leave the log as it is; names that Triton does not know are ignored, as it does.

    Raises `InvalidRequest` for a value that a setting cannot have, `Unsupported` for another one than it has.
    """
    for name, wanted in changes.items():
        if name not in LOG:
            continue
        kind = type(LOG[name])
        if type(wanted) is not kind or (kind is int and isinstance(wanted, int) and wanted < 0):
            raise InvalidRequest(f"expected {_KINDS[kind]} for {name}, got {str(wanted)[:64]!r}")
        if name == "log_format" and wanted not in _FORMATS:
            raise InvalidRequest(f"expected {' or '.join(_FORMATS)} for {name}, got {wanted!r:.64}")
        if wanted != LOG[name]:
            raise Unsupported(f"{name} cannot be changed while the service runs")


def check_trace(changes: Mapping[str, Sequence[str]]) -> None:
    """Check that `changes` leave the settings of traces as they are. Raises `InvalidRequest`."""
    for name, wanted in changes.items():
        if name in TRACE and tuple(wanted) not in ((), TRACE[name]):  # empty: the setting is to be cleared
            raise InvalidRequest(f"{name} cannot be changed: this service writes no traces")


_KINDS = {bool: "a boolean", int: "a whole number of 0 or more", str: "a text"}
