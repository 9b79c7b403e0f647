"""A file larger than memory should hold is checked, trained on and predicted in bounded memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROWS, INPUTS = 80_000, 1024  # 312 MiB of float32

SCRIPT = """
import sys
from pathlib import Path

import numpy as np

from layerwise import MLP, Adam, Architecture, Layer, Plan, fit


def peak():  # of the pages that were in memory at once, those of mapped files included, in MiB
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


X, y = np.load(sys.argv[1], mmap_mode="r"), np.load(sys.argv[2], mmap_mode="r")
model = MLP(Architecture(X.shape[1], (Layer(8, "relu"), Layer(2))))
before = peak()
plan = Plan(optimizer=Adam(0.01), epochs=1, batch_size=512, validation=0.1, split=sys.argv[3])
record = list(fit(model, X, y, plan=plan))[-1]
accuracy = (model.predict(X) == y).mean()
taken = peak() - before
X.sum()  # reads every page through the map
print(record.validation_metric, accuracy, taken, peak() - before)
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    X = np.lib.format.open_memmap(str(folder / "X.npy"), "w+", np.float32, (ROWS, INPUTS))
    y = np.random.default_rng(0).integers(0, 2, ROWS)
    X[:, 0] = 2 * y - 1
    np.save(folder / "y.npy", y.astype(np.int32))
    yield folder / "X.npy", folder / "y.npy"
    for file in folder.iterdir():
        file.unlink()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak of resident memory")
@pytest.mark.parametrize("split", ["random", "stratified"])
def test_a_file_is_checked_trained_on_and_predicted_in_bounded_memory(files, split):
    told = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, files), split], capture_output=True, text=True, check=True
    ).stdout

    measured, accuracy, taken, mapped = map(float, told.split())
    assert measured == accuracy == 1
    assert mapped > 312  # what it would be if the map were read as it is
    assert taken < 220
