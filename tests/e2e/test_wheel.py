"""The built wheel, not the checkout: what each extra brings, and that it is enough."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from helpers.running import Service

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(300)  # pip downloads

TRAIN = """
import importlib.util, sys
from layerwise_client import Client, datasets
for heavy in ("flask", "sqlalchemy", "click", "rich", "granian"):
    assert importlib.util.find_spec(heavy) is None, heavy
X, y = datasets.load("iris")
with Client(sys.argv[1]) as client:
    job = client.train("from-the-wheel", {"layers": [{"units": 8, "activation": "relu"}]}, X, y, plan={"epochs": 2})
    print(job.state, len(client.predict("from-the-wheel", X).labels))
"""

LIBRARY = """
import numpy as np
from layerwise import MLP, Architecture, Layer, Plan, fit
model = MLP(Architecture(inputs=2, layers=(Layer(4, activation="relu"), Layer(2))))
list(fit(model, np.eye(2), [0, 1], plan=Plan(epochs=2)))
model.save("m.npz")
print(MLP.load("m.npz").predict(np.eye(2)).shape)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)])
    (built,) = folder.glob("layerwise-*.whl")
    return built


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """Of an environment with the plain wheel."""
    folder = tmp_path_factory.mktemp("environment")
    run([sys.executable, "-m", "venv", str(folder)])
    run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", str(wheel)])
    return folder / "bin" / "python"


def run(command: list[str], *, code: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        command, input=code or None, cwd=cwd, capture_output=True, text=True, timeout=250, check=False
    )
    assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
    return ended


def test_the_wheel_holds_four_packages_and_what_they_read(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    packages = {name.split("/")[0] for name in names if "dist-info" not in name}
    assert packages == {"layerwise", "layerwise_client", "layerwise_command", "layerwise_proto", "layerwise_service"}
    assert "layerwise_service/stores/migrations/versions/0001_first.py" in names
    assert "layerwise_proto/v1/training.proto" in names
    assert {f"{package}/py.typed" for package in packages} <= set(names)


def test_alone_it_is_the_library_with_numpy(python: Path, tmp_path: Path) -> None:
    assert run([str(python), "-"], code=LIBRARY, cwd=tmp_path).stdout == "(2,)\n"
    installed = run([str(python), "-m", "pip", "list", "--format", "freeze"]).stdout
    assert {line.split("==")[0] for line in installed.splitlines()} <= {"layerwise", "numpy", "pip", "setuptools"}


def test_with_the_lowest_versions_of_client_it_trains_on_a_service(python: Path, wheel: Path, service: Service) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    lowest = [each.replace(">=", "==") for each in extras["client"]]
    run([str(python), "-m", "pip", "install", "--quiet", f"{wheel}[client]", *lowest])

    assert run([str(python), "-", service.rpc], code=TRAIN).stdout == "SUCCEEDED 150\n"
    command = subprocess.run(
        [str(python.with_name("layerwise")), "models"], capture_output=True, text=True, timeout=60, check=False
    )
    assert command.returncode != 0
    assert "pip install 'layerwise[cli]'" in command.stderr
