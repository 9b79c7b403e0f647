"""1000 models in one process, of which the memory holds some hundred."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LOADS = """
import sys
from pathlib import Path
from benchmarks.many_models import small_networks
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.usecases.loaded_models import LoadedModels

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

artifacts = ArtifactStore(Path(sys.argv[1]), None)
folder = Path(sys.argv[1]) / "models"
names = []
for name, network in small_networks(1000):
    names.append(network.save(folder / name))
    (folder / name).rename(folder / f"{names[-1]}.npz")
most = 8 * 2**20
models = LoadedModels(artifacts, max_bytes=most)
models.get(names[0])
before = resident()
for _ in range(2):
    for name in names:
        models.get(name)
print((resident() - before) / most, models.total_bytes / most)
"""


def test_56_1000_models_lru_rss_is_bounded(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOADS, str(tmp_path / "artifacts")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)

    assert ended.returncode == 0, ended.stderr
    resident, counted = map(float, ended.stdout.split())
    assert 0.95 < counted <= 1.0  # the cache is full: 1000 models take almost four times as much
    assert resident < 1.1 + 0.25  # a quarter of these 8 MiB: what the interpreter itself takes meanwhile
