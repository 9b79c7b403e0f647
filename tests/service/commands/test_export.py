"""`layerwise export`: a model of a file or of the service, as a file for other programs."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from click.testing import CliRunner, Result

from layerwise import MLP, Architecture, Layer, Plan, fit
from layerwise_service.commands.export import export
from layerwise_service.domain.models import Version
from layerwise_service.settings import Settings

ROWS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], np.float32)


@pytest.fixture
def model(tmp_path: Path) -> MLP:
    """A model that is also the file m.npz."""
    made = MLP(Architecture(2, (Layer(4, "tanh"), Layer(2))), seed=1)
    for _ in fit(made, ROWS, np.array(["no", "yes", "yes", "no"]), plan=Plan(epochs=5)):
        pass
    made.save(tmp_path / "m.npz")
    return made


def run(*arguments: object) -> Result:
    return CliRunner().invoke(export, [str(each) for each in arguments])


def test_a_model_file_becomes_an_onnx_model(model: MLP, tmp_path: Path) -> None:
    out = tmp_path / "m.onnx"

    done = run(tmp_path / "m.npz", "--out", out)

    assert done.exit_code == 0, done.output
    label, _ = onnxruntime.InferenceSession(out.read_bytes()).run(None, {"rows": ROWS})
    assert label.tolist() == model.predict(ROWS).tolist()
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    assert done.output == f"{out}: onnx, {out.stat().st_size:,} bytes, SHA-256 {digest}\n"


def test_a_model_file_becomes_a_program(model: MLP, tmp_path: Path) -> None:
    out = tmp_path / "program"

    done = run(tmp_path / "m.npz", "--format", "standalone", "--out", out)

    assert done.exit_code == 0, done.output
    ended = subprocess.run(
        [sys.executable, "-I", out], input="0,1\n1,1\n", capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert ended.stdout.split() == [f'"{label}"' for label in model.predict(ROWS[[1, 3]])]


def test_a_model_of_the_service_is_found_in_its_folder(
    settings: Settings, publish: Callable[..., Version], tmp_path: Path
) -> None:
    first, second = publish("a"), publish("a", seed=1)

    for version, wanted in (("1", first), ("latest", second), (None, second)):
        chosen = ["--version", version] if version else []
        done = run("a", *chosen, "--home", settings.home, "--out", tmp_path / "a.npz")

        assert done.exit_code == 0, done.output
        assert hashlib.sha256((tmp_path / "a.npz").read_bytes()).hexdigest() == wanted.sha256


def test_what_cannot_be_exported_is_told_in_one_line(model: MLP, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "broken.npz").write_bytes(b"no model")
    out = tmp_path / "m.onnx"

    for arguments, code, message in (
        ((tmp_path / "nowhere.npz", "--out", out), 1, "nowhere.npz: No such file or directory"),
        ((tmp_path / "broken.npz", "--out", out), 1, f"layerwise: {tmp_path}/broken.npz: expected"),
        (
            (tmp_path / "m.npz", "--out", tmp_path / "no" / "m.onnx"),
            1,
            f"layerwise: {tmp_path}/no: The folder does not",
        ),
        (
            (tmp_path / "m.npz", "--out", tmp_path / "m.pt"),
            2,
            "is none of .onnx, .py, .npz: give --format",
        ),
        (
            (tmp_path / "m.npz", "--format", "npz", "--out", out),
            2,
            "--format npz does not fit the ending of m.onnx",
        ),
        ((tmp_path / "m.npz", "--version", "1", "--out", out), 2, "--version is for models of the service"),
        (("a", "--home", tmp_path / "empty", "--out", out), 1, "there is no database in "),
    ):
        done = run(*arguments)

        assert (done.exit_code, message in done.output) == (code, True), done.output
    assert not out.exists()
    assert not (tmp_path / "empty").exists()


def test_a_model_that_the_service_does_not_have_is_told(
    settings: Settings, publish: Callable[..., Version], tmp_path: Path
) -> None:
    publish("a")

    done = run("b", "--home", settings.home, "--out", tmp_path / "b.onnx")

    assert done.exit_code == 1
    assert "b" in done.output
    assert not (tmp_path / "b.onnx").exists()


def test_without_the_library_onnx_the_command_says_what_to_install(model: MLP, tmp_path: Path) -> None:
    code = "import sys; sys.modules['onnx'] = None; from layerwise_service.commands.export import export; export()"

    ended = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "m.npz", "--out", tmp_path / "m.onnx"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stderr == "layerwise: export to ONNX needs the package onnx: pip install 'layerwise[onnx]'\n"


def test_the_command_is_found_by_its_entry_point(model: MLP, tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("layerwise")

    ended = subprocess.run(
        [command, "export", tmp_path / "m.npz", "--out", tmp_path / "m.py"], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(f"{tmp_path / 'm.py'}: standalone, ")
