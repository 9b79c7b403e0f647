"""Saving and loading: the same model, the same bytes, wholly or not at all."""

import csv
import errno
import hashlib
import json
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from layerwise import (
    MLP,
    Architecture,
    CorruptModel,
    InvalidInput,
    Layer,
    LeakyReLU,
    Maxout,
    Plan,
    TableEncoder,
    find_learning_rate,
    fit,
    fit_packed,
    partial_fit,
)
from layerwise.files import atomic

GOLDEN = Path(__file__).parents[1] / "golden"
DOCUMENT = Path(__file__).parents[3] / "docs" / "format.md"

X = np.random.default_rng(0).normal(size=(40, 4))


LAYERS = (Layer(5, Maxout(2)), Layer(4, "prelu"), Layer(3))


def trained(*, layers=LAYERS, loss="softmax_cross_entropy", dtype=np.float32):
    model = MLP(Architecture(4, layers), seed=1, dtype=dtype)
    y = X[:, :3] if loss == "squared_error" else np.array(["a", "b", "ç"])[np.arange(40) % 3]
    for _ in fit(model, X, y, plan=Plan(loss=loss, epochs=2, validation=0.2)):
        pass
    model.lineage = {"dataset": "sha256:0", "parents": [1, None], "note": "größer"}
    return model


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "hinge", "squared_error"])
def test_a_loaded_model_is_the_saved_one(tmp_path, loss, dtype):
    model = trained(loss=loss, dtype=dtype)

    digest = model.save(tmp_path / "m.npz")
    loaded = MLP.load(tmp_path / "m.npz", sha256=digest)

    assert loaded.parameters.tobytes() == model.parameters.tobytes()
    assert loaded.dtype == model.dtype
    for name in "architecture", "plan", "loss", "labels", "metrics", "lineage":
        assert getattr(loaded, name) == getattr(model, name)
    assert np.array_equal(loaded.predict(X), model.predict(X))


def test_an_untrained_model_can_be_saved(tmp_path):
    model = MLP(Architecture(4, (Layer(3, LeakyReLU(0.2), initializer="he_uniform"), Layer(2)), input_noise=0.5))

    model.save(tmp_path / "m.npz")
    loaded = MLP.load(str(tmp_path / "m.npz"))

    assert loaded.architecture == model.architecture
    assert (loaded.plan, loaded.labels) == (None, None)


def test_the_bytes_follow_from_the_model_and_their_hash_is_returned(tmp_path):
    first = trained().save(tmp_path / "first.npz")
    again = MLP.load(tmp_path / "first.npz").save(tmp_path / "again.npz")

    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()
    assert first == again == hashlib.sha256((tmp_path / "first.npz").read_bytes()).hexdigest()


def test_an_open_file_can_be_loaded(tmp_path):
    model = trained()
    model.save(tmp_path / "m.npz")

    with (tmp_path / "m.npz").open("rb") as file:
        assert MLP.load(file).parameters.tobytes() == model.parameters.tobytes()


def test_numpy_reads_every_member(tmp_path):
    model = trained()
    model.save(tmp_path / "m.npz")

    with np.load(tmp_path / "m.npz", allow_pickle=False) as file:
        assert {name: file[name].shape for name in file.files if name != "manifest"} == {
            "layer0/weight": (4, 10),
            "layer0/bias": (10,),
            "layer1/weight": (5, 4),
            "layer1/bias": (4,),
            "layer1/slope": (4,),
            "layer2/weight": (4, 3),
            "layer2/bias": (3,),
        }
        manifest = json.loads(file["manifest"].tobytes())
    assert manifest["format_version"] == 5
    assert manifest["labels"] == ["a", "b", "ç"]
    assert manifest["versions"]["numpy"] == np.__version__


def test_scales_and_running_statistics_are_members_that_numpy_predicts_with(tmp_path):
    layers = (Layer(6, "relu", normalization="batch"), Layer(6, "tanh", normalization="layer", residual=True), Layer(3))
    model = trained(layers=layers, dtype=np.float64)
    digest = model.save(tmp_path / "m.npz")

    with np.load(tmp_path / "m.npz") as file:
        names = [name for name in file.files if name.startswith("layer0/")]
        w, b, scale, mean, variance = (file[name] for name in names)
        hidden = np.maximum(scale * (X @ w - mean) / np.sqrt(variance + 1e-5) + b, 0)
        z = hidden @ file["layer1/weight"]
        z = (z - z.mean(axis=1, keepdims=True)) / np.sqrt(z.var(axis=1, keepdims=True) + 1e-5)
        hidden += np.tanh(file["layer1/scale"] * z + file["layer1/bias"])
        scores = hidden @ file["layer2/weight"] + file["layer2/bias"]

    assert names == [f"layer0/{name}" for name in ("weight", "bias", "scale", "mean", "variance")]
    loaded = MLP.load(tmp_path / "m.npz", sha256=digest)
    assert loaded.statistics.tobytes() == model.statistics.tobytes()
    np.testing.assert_allclose(loaded.outputs(X), scores, rtol=1e-10)


def test_a_negative_variance_is_refused(tmp_path):
    model = MLP(Architecture(4, (Layer(6, normalization="batch"), Layer(3))))
    model.weights["layer0/variance"][2] = -0.5
    model.save(tmp_path / "m.npz")

    with pytest.raises(CorruptModel, match=r"layer 0 variance: expected variances of at least 0, file has -0\.5"):
        MLP.load(tmp_path / "m.npz")


def test_a_file_that_numpy_wrote_itself_is_read(tmp_path):
    model = trained()
    model.save(tmp_path / "m.npz")

    with np.load(tmp_path / "m.npz") as file:
        np.savez(tmp_path / "n.npz", **dict(file))

    assert MLP.load(tmp_path / "n.npz").parameters.tobytes() == model.parameters.tobytes()


def test_a_file_beyond_the_limits_of_plain_zip_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)  # instead of 2 GiB, from where on sizes and places need 64 bits
    model = MLP(Architecture(40, (Layer(30, "relu"), Layer(20))))

    digest = model.save(tmp_path / "m.npz")

    assert b"PK\x06\x06" in (tmp_path / "m.npz").read_bytes()
    assert MLP.load(tmp_path / "m.npz", sha256=digest).parameters.tobytes() == model.parameters.tobytes()


def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    model = trained()
    digest = model.save(tmp_path / "m.npz")

    model.lineage = {"when": object()}
    with pytest.raises(InvalidInput, match="lineage: expected JSON values"):
        model.save(tmp_path / "m.npz")
    model.lineage = {}
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(IsADirectoryError):
        model.save(tmp_path / "folder.npz")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.npz", "m.npz"]
    assert MLP.load(tmp_path / "m.npz", sha256=digest).lineage["dataset"] == "sha256:0"


def test_a_file_that_is_not_there_is_an_operating_system_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        MLP.load(tmp_path / "m.npz")
    with pytest.raises(FileNotFoundError):
        trained().save(tmp_path / "nowhere" / "m.npz")


def test_an_error_of_a_file_names_the_file_or_the_folder_that_is_missing(tmp_path):
    text = tmp_path / "tickets.csv"
    text.write_text("a,b\n1,2\n")

    with pytest.raises(CorruptModel, match=f"^{re.escape(str(text))}: expected"):
        MLP.load(text)
    with pytest.raises(FileNotFoundError, match=r"The folder does not exist: .*nowhere'$"):
        trained().save(tmp_path / "nowhere" / "m.npz")
    with pytest.raises(FileNotFoundError, match=r"The folder does not exist: .*tickets\.csv'$"):
        trained().save(text / "m.npz")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(IsADirectoryError, match=r"folder\.npz'$"):
        trained().save(tmp_path / "folder.npz")


@pytest.mark.parametrize("name", ["v1_classifier", "v1_regressor", "v2_layers", "v4_targets"])
def test_old_files_stay_readable_for_ever(name):
    recorded = json.loads((GOLDEN / f"{name}.json").read_text())

    model = MLP.load(GOLDEN / f"{name}.npz", sha256=recorded["sha256"])

    np.testing.assert_allclose(model.outputs(recorded["rows"]), recorded["outputs"], rtol=1e-5, atol=1e-6)
    if model.is_classifier:
        assert model.predict(recorded["rows"]).tolist() == recorded["predictions"]
    else:
        np.testing.assert_allclose(model.predict(recorded["rows"]), recorded["predictions"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["v1_regressor", "v3_table"])
def test_the_plan_of_an_old_file_says_that_targets_were_not_standardised(name):
    model = MLP.load(GOLDEN / f"{name}.npz")

    assert not model.plan.standardize_targets
    assert model.target_scale is None


def test_a_file_keeps_the_scale_of_its_targets():
    recorded = json.loads((GOLDEN / "v4_targets.json").read_text())

    model = MLP.load(GOLDEN / "v4_targets.npz")

    assert model.plan.standardize_targets
    assert model.target_scale.to_json() == recorded["target_scale"]
    assert model.kept_optimizer.updates == 60


def test_the_reader_in_the_documentation_predicts_what_the_model_does(tmp_path, monkeypatch):
    model = trained(layers=(Layer(6, "relu"), Layer(5, Maxout(3)), Layer(3)))
    model.save(tmp_path / "model.npz")
    np.save(tmp_path / "rows.npy", X)
    monkeypatch.chdir(tmp_path)
    snippet = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[1]

    found = {}
    exec(snippet, found)
    found["file"].close()

    assert found["predictions"].tolist() == model.predict(X).tolist()


def table(rows=90):
    """Texts as a CSV file has them: numbers with a gap, numbers that never vary, two kinds of categories."""
    rng = np.random.default_rng(4)
    names = [f"n{i}" for i in range(70)]
    x = [f"{value:.3f}" for value in rng.normal(40, 9, rows)]
    return {
        "x": ["", *x[1:]],
        "y": [f"{value:.1f}" for value in rng.normal(size=rows)],
        "same": ["50000"] * rows,
        "colour": [("red", "green", "")[i % 3] for i in range(rows)],
        "name": [names[i % 70] for i in range(rows)],
    }


def test_the_reader_in_the_documentation_encodes_a_csv_file_as_the_model_does(tmp_path, monkeypatch):
    given = table()
    encoder = TableEncoder({"y": "min_max"}).fit(given)
    model = MLP(Architecture(encoder.width, (Layer(6, "relu"), Layer(3))), seed=1)
    model.encoder = encoder
    for _ in fit(model, given, np.array(["a", "b", "ç"])[np.arange(90) % 3], plan=Plan(epochs=2)):
        pass
    model.save(tmp_path / "model.npz")
    later = given | {"same": ["60000"] * 90, "name": ["unseen", *given["name"][1:]]}
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(later)
        writer.writerows(zip(*later.values(), strict=True))
    monkeypatch.chdir(tmp_path)
    plain, encode = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    head, refusal, tail = re.split(r"(if manifest.*?below\"\)\n)", plain, flags=re.DOTALL)
    found = {}
    try:
        with pytest.raises(SystemExit, match="takes a table"):
            exec(head + refusal, found)

        exec(head + encode + re.sub(r"np\.load\(.*?\)", "x", tail), found)
    finally:
        found["file"].close()

    assert found["predictions"].tolist() == model.predict(later).tolist()


@pytest.mark.parametrize(("scale", "shift"), [(1 / 255, 0.0), (1.0, -1.0)])
def test_inputs_that_an_encoder_scaled_are_not_scaled_again(scale, shift):
    given = table()
    encoder = TableEncoder().fit(given)
    architecture = Architecture(encoder.width, (Layer(3),), input_scale=scale, input_shift=shift)
    labels = np.arange(90) % 3
    model = MLP(architecture)
    model.encoder = encoder
    plan = Plan()

    for train in (
        lambda: fit(model, given, labels, plan=plan),
        lambda: partial_fit(model, given, labels, plan=plan),
        lambda: fit_packed([model], given, labels, plans=plan),
        lambda: find_learning_rate(model, given, labels, plan=plan),
    ):
        with pytest.raises(
            InvalidInput, match=r"^architecture\.input_scale: expected 1.* column 'x' is already scaled by stand"
        ):
            train()


def test_columns_that_are_taken_as_they_are_may_be_scaled_by_the_network():
    pixels = {"a": [0.0, 255.0] * 8, "b": [255.0, 0.0] * 8}
    model = MLP(Architecture(2, (Layer(2),), input_scale=1 / 255))
    model.encoder = TableEncoder({"a": "identity", "b": "identity"}).fit(pixels)

    records = list(fit(model, pixels, [0, 1] * 8, plan=Plan(epochs=2)))

    assert len(records) == 2


def test_the_documentation_names_every_field_of_the_manifest(tmp_path):
    model = trained()
    model.save(tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz") as file:
        manifest = json.loads(file["manifest"].tobytes())
    text = DOCUMENT.read_text()

    fields = [*manifest, *manifest["architecture"], *manifest["architecture"]["layers"][0], *manifest["plan"]]

    assert [field for field in fields if f"`{field}`" not in text] == []


def test_a_link_goes_on_pointing_at_the_file_which_keeps_its_permissions(tmp_path):
    """Also a link to a file that is not there yet."""
    target, link, early = tmp_path / "real.npz", tmp_path / "link.npz", tmp_path / "early.npz"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    early.symlink_to("late.npz")

    digest = trained().save(link)
    trained().save(early)

    assert link.is_symlink()
    assert early.is_symlink()
    assert hashlib.sha256(target.read_bytes()).hexdigest() == digest
    assert target.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "late.npz").read_bytes() == target.read_bytes()


def test_a_pipe_and_a_device_are_written_and_not_replaced(tmp_path):
    model, pipe = trained(), tmp_path / "pipe.npz"
    os.mkfifo(pipe)
    for name in "null", "full":  # links: a device that was replaced after all would be missed by others
        (tmp_path / name).symlink_to(f"/dev/{name}")

    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    digest = model.save(pipe)
    arrived = os.read(reader, 2**16)  # as much as a pipe holds
    os.close(reader)

    assert hashlib.sha256(arrived).hexdigest() == digest == model.save(tmp_path / "null")
    assert pipe.is_fifo()
    assert (tmp_path / "null").is_char_device()
    with pytest.raises(OSError, match=r"No space left on device: .*full'$"):
        model.save(tmp_path / "full")


def test_a_folder_and_a_link_to_itself_are_errors_that_name_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("loop.npz").symlink_to("loop.npz")

    for folder in ".", "", tmp_path:
        with pytest.raises(IsADirectoryError, match=f"Expected a file, this is a folder: '{Path(folder)}'$"):
            trained().save(folder)
    with pytest.raises(OSError, match=r"'loop\.npz'$"):
        trained().save("loop.npz")
    assert list(tmp_path.iterdir()) == [tmp_path / "loop.npz"]


def test_a_disk_that_is_full_is_told_with_the_name_of_the_file(tmp_path):
    def fill(file):
        raise OSError(errno.ENOSPC, "No space left on device")  # as write() does, without a name

    with pytest.raises(OSError, match=r"No space left on device: .*m\.npz'$"):
        atomic.write(tmp_path / "m.npz", fill)
    assert list(tmp_path.iterdir()) == []
