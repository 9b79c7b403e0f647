"""Processes forked from one that has loaded everything."""

from __future__ import annotations

import json
import subprocess
import sys

FORKS = """
import json, os, signal, sys
from layerwise_service.process.counts import ANSWERS, COUNTS
from layerwise_service.process.forking import ForkedProcess, share_memory

share_memory("json.tool")
COUNTS.add((ANSWERS, "GET", "/", "200"), [1.0])
other, kept = os.open("/dev/null", os.O_RDONLY), os.open("/dev/null", os.O_RDONLY)
def handle(number, frame): sys.exit("of the parent")
signal.signal(signal.SIGTERM, handle)

def run():
    def opened(descriptor):
        try:
            return bool(os.fstat(descriptor))
        except OSError:
            return False
    found = {
        "counts": len(COUNTS.take()), "other": opened(other), "kept": opened(kept), "given": os.environ["GIVEN"],
        "session": os.getsid(0) == os.getpid(), "handler": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
        "loaded": "json.tool" in sys.modules,
    }
    print(json.dumps(found), flush=True)
    sys.exit(3)

with COUNTS._lock:  # as a thread of the parent may at the moment of the fork
    process = ForkedProcess(run, environment={"GIVEN": "x"}, kept=[kept])
print(process.wait(), process.poll(), len(COUNTS.take()), flush=True)
waiting = ForkedProcess(lambda: signal.pause())
waiting.terminate()
print(waiting.wait(), flush=True)
"""


def test_a_forked_process_has_counts_signals_and_a_session_of_its_own_and_only_the_files_it_was_given() -> None:
    ended = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, timeout=60, check=True)

    found, first, second = ended.stdout.splitlines()
    assert json.loads(found) == {
        "counts": 0,
        "other": False,
        "kept": True,
        "given": "x",
        "session": True,
        "handler": True,
        "loaded": True,
    }
    assert (first, second) == ("3 3 1", "-15")


def test_what_is_due_at_the_end_happens_in_forked_processes_too() -> None:
    code = """
import sys
from layerwise_service.process.forking import ForkedProcess
from layerwise_service.process.lifecycle import at_end

def run():
    at_end(lambda: print("first in, last out", flush=True))
    at_end(lambda: print("end of the copy", flush=True))

at_end(lambda: print("end of the original", flush=True))
ForkedProcess(run).wait()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert ended.stdout.splitlines() == ["end of the copy", "first in, last out", "end of the original"]
