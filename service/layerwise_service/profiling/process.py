"""Where a profile is made: of few cells at once, of many in a process of its own, so that other calls go on."""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec
import structlog

from layerwise_service.domain.profiles import Profile
from layerwise_service.errors import ServiceError, TooLarge, Unavailable
from layerwise_service.profiling.profile import ProfileRequest, profile
from layerwise_service.reading.exchange import error_of

log = structlog.get_logger()

_MOST_LOGGED = 4_000


def make_profile(request: ProfileRequest, *, seconds: float) -> Profile:
    """Return the profile, made in at most `seconds`.

    Raises `InvalidRequest` if the target cannot be one, `TooLarge` if it takes longer, `DataLoss` and `Unavailable`.
    """
    if request.is_small:
        return profile(request)
    command = [sys.executable, "-m", "layerwise_service.profiling", str(os.getpid())]
    try:
        done = subprocess.run(
            command,
            input=msgspec.json.encode(request),
            capture_output=True,
            timeout=seconds,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        detail = f"the profile takes more than {seconds:g} s (reading_seconds)"
        raise TooLarge(f"{detail}; send fewer columns, or shorter texts") from error
    if done.returncode < 0:
        raise Unavailable("the process that made the profile was ended; ask again", retry_after=1)
    if done.returncode:
        stderr = done.stderr[-_MOST_LOGGED:].decode(errors="replace")
        log.error("profile_failed", status=done.returncode, stderr=stderr)
        raise ServiceError("internal error: the profile could not be made; the service's log has the traceback")
    if done.stdout.startswith(b'{"error"'):
        raise error_of(msgspec.json.decode(done.stdout)["error"])
    return msgspec.json.decode(done.stdout, type=Profile)
