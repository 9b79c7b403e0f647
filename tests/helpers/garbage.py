"""What calls leave behind that only a garbage collection would free."""

from __future__ import annotations

import gc
import types
from collections.abc import Callable

SERVER = ("/layerwise_service/", "grpc/_cython/_cygrpc/aio/server", "/flask/app.py")


def frames_left(call: Callable[[], object], *, of: tuple[str, ...] = SERVER) -> list[str]:
    """The frames of code in the files `of` that hang in reference cycles after `call` ran: each keeps what was sent."""
    call()  # what is made once, such as a route's first use, does not count
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(3):
            call()
        gc.collect()
        frames = [found for found in gc.garbage if type(found) is types.FrameType]  # a weak proxy would look through
        codes = [frame.f_code for frame in frames]
        return [f"{code.co_filename}:{code.co_name}" for code in codes if any(part in code.co_filename for part in of)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
