"""What the processes of a service have in common: telling that they are ready, ending with their parent."""

from __future__ import annotations

import os
import signal
from types import FrameType

from layerwise_service.process.loops import Loop

READY = "LAYERWISE_READY_FD"
PARENT = "LAYERWISE_PARENT_PID"
_LOOK_SECONDS = 0.5

# Every BLAS reads one of these when NumPy is loaded, and never again.
BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def end_quietly_on_sigterm() -> None:
    """Makes SIGTERM end this process with status 0 while it is still starting; its server takes the signal over later.

    As the first process of a container it would otherwise not hear the signal at all.
    """

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)


def announce_ready(address: str) -> None:
    """Tells the process that started this one, if it asked to be told, that it is ready, and at which address."""
    descriptor = os.environ.pop(READY, "")
    if descriptor:
        with os.fdopen(int(descriptor), "w") as pipe:
            pipe.write(f"{address}\n")


def end_with_parent(parent: int | None = None) -> None:
    """Ends this process, as SIGTERM would, when its parent is gone.

    `parent` is the parent's process id; by default what the environment says, and nothing happens if it says nothing.
    """
    expected = parent or int(os.environ.get(PARENT, "0"))
    if not expected:
        return

    def look() -> None:
        if os.getppid() != expected:
            os.kill(os.getpid(), signal.SIGTERM)
            watching.stop()

    watching = Loop("parent", look, every=_LOOK_SECONDS)
    watching.start()


def make_files_private() -> None:
    """Let other users of the machine see nothing of the files that this process, and those it starts, will make."""
    os.umask(0o077)


class AddressInUse(Exception):
    """Somebody else listens there."""


def limit_blas_threads(threads: int) -> None:
    """Sets how many threads matrix products use; to be called before NumPy is loaded."""
    for name in BLAS_THREADS:
        os.environ[name] = str(threads)
