"""A model with an encoder learns from tables, predicts for them, and carries the encoder in its file."""

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from layerwise import (
    MLP,
    Adam,
    Architecture,
    CorruptModel,
    InvalidInput,
    Layer,
    Plan,
    TableEncoder,
    evaluate,
    find_learning_rate,
    fit,
    fit_packed,
    gradient_check,
    partial_fit,
)

GOLDEN = Path(__file__).parents[1] / "golden"
RNG = np.random.default_rng(0)
N = 200
TABLE = {
    "distance": [None if i % 9 == 0 else float(x) for i, x in enumerate(RNG.normal(1000, 300, N))],
    "carrier": RNG.choice(["AA", "DL", "UA"], N).tolist(),
    "day": [f"2013-{m:02}-01" for m in RNG.integers(1, 13, N)],
}
LATE = [carrier == "UA" for carrier in TABLE["carrier"]]
PLAN = Plan(optimizer=Adam(0.05), epochs=15, batch_size=32)


def encoder():
    return TableEncoder().fit(TABLE)


def untrained(**options):
    model = MLP(Architecture(encoder().width, (Layer(8, "relu"), Layer(2))), **options)
    model.encoder = encoder()
    return model


def trained(y):
    model = untrained()
    for _ in fit(model, TABLE, y, plan=PLAN):
        pass
    return model


def rows(count=N):
    return [{name: values[i] for name, values in TABLE.items()} for i in range(count)]


@pytest.mark.parametrize("labels", [["late", "on time"], [7, 3], [True, False]])
def test_tables_in_labels_out(labels):
    y = [labels[0] if late else labels[1] for late in LATE]

    for column in y, np.array(y), np.array(y, object), pd.DataFrame({"y": y})["y"]:
        model = trained(column)

        assert model.labels == tuple(sorted(labels))
        assert model.predict(TABLE).tolist() == y
        assert model.predict(rows(3)).tolist() == y[:3]


def test_every_form_of_the_rows_is_predicted_alike():
    model = trained(LATE)
    encoded = model.encoder.encode(TABLE)

    wanted = model.predict_proba(encoded)

    for X in TABLE, rows(), pd.DataFrame(TABLE):
        assert np.array_equal(model.predict_proba(X), wanted)
        assert np.array_equal(model.outputs(X), model.outputs(encoded))
        assert np.array_equal(next(model.layer_outputs(X)), next(model.layer_outputs(encoded)))


def test_training_on_a_table_is_training_on_what_it_becomes():
    by_hand = MLP(untrained().architecture)
    X = encoder().encode(TABLE)
    for _ in fit(by_hand, X[:150], LATE[:150], plan=PLAN, validation=(X[150:], LATE[150:])):
        pass

    model = untrained()
    first, last = ({name: v[a:b] for name, v in TABLE.items()} for a, b in [(0, 150), (150, N)])
    for _ in fit(model, first, LATE[:150], plan=PLAN, validation=(last, LATE[150:])):
        pass

    assert np.array_equal(model.parameters, by_hand.parameters)
    assert model.metrics == by_hand.metrics
    both = MLP(untrained().architecture), untrained()
    for one, given in zip(both, (X, TABLE), strict=True):
        partial_fit(one, given, LATE, plan=PLAN)
    assert np.array_equal(both[0].parameters, both[1].parameters)
    rates = [find_learning_rate(one, given, LATE, steps=10) for one, given in zip(both, (X, TABLE), strict=True)]
    assert np.array_equal(rates[0].losses, rates[1].losses)


def test_gradients_are_checked_and_networks_measured_on_tables():
    X = encoder().encode(TABLE, dtype=np.float64)
    model = untrained(dtype=np.float64)

    checked = gradient_check(model, TABLE, LATE, plan=PLAN, coordinates=20)

    assert checked.relative_error < 1e-6
    assert checked == gradient_check(model, X, LATE, plan=PLAN, coordinates=20)
    assert evaluate(trained(LATE), TABLE, LATE) == evaluate(trained(LATE), encoder().encode(TABLE), LATE)


def test_networks_of_one_encoder_are_packed_on_tables():
    first, last = ({name: v[a:b] for name, v in TABLE.items()} for a, b in [(0, 150), (150, N)])
    alone, packed = ([untrained(dtype=np.float64, seed=seed) for seed in (1, 2)] for _ in range(2))
    for model in alone:
        for _ in fit(model, first, LATE[:150], plan=PLAN, validation=(last, LATE[150:])):
            pass

    for _ in fit_packed(packed, first, LATE[:150], plans=PLAN, validation=(last, LATE[150:])):
        pass

    for one, other in zip(alone, packed, strict=True):
        np.testing.assert_allclose(other.parameters, one.parameters, rtol=0, atol=1e-9)
    packed[1].encoder = None
    wanted = r"^models\[1\]\.encoder: expected the value of the first, TableEncoder\(3 columns, 12 outputs\), got None$"
    with pytest.raises(InvalidInput, match=wanted):
        fit_packed(packed, TABLE, LATE, plans=PLAN)


def test_a_network_of_float64_is_given_float64():
    model = untrained(dtype=np.float64)

    assert np.array_equal(model.outputs(TABLE), model.outputs(encoder().encode(TABLE, dtype=np.float64)))


def test_an_encoder_that_does_not_fit_is_refused():
    model = MLP(Architecture(3, (Layer(2),)))

    with pytest.raises(
        InvalidInput, match=r"encoder: expected 3 outputs, one for each of the network's inputs, got 12"
    ):
        model.encoder = encoder()
    with pytest.raises(InvalidInput, match="encoder: expected a fitted encoder"):
        model.encoder = TableEncoder()
    with pytest.raises(InvalidInput, match="encoder: expected a TableEncoder, got 'standardize'"):
        model.encoder = "standardize"
    with pytest.raises(InvalidInput, match=r"X: expected rows of 3 numbers, got \{'distance'"):
        model.predict(TABLE)
    model.encoder = None
    assert model.encoder is None


def test_a_loaded_model_has_the_encoder(tmp_path):
    model = trained(LATE)

    digest = model.save(tmp_path / "m.npz")
    loaded = MLP.load(tmp_path / "m.npz", sha256=digest)

    assert loaded.encoder == model.encoder
    assert loaded.predict_proba(TABLE).tobytes() == model.predict_proba(TABLE).tobytes()
    assert loaded.save(tmp_path / "again.npz") == digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p["fitted"].pop(), "manifest: preprocessing.encoder: expected 12 outputs, one for each of"),
        (lambda p: p.update(fitted=None), "manifest: preprocessing.encoder: expected a fitted encoder"),
        (
            lambda p: p["fitted"][0].update(scale=-1),
            "manifest: preprocessing.fitted[0].scale: expected a finite number",
        ),
        (lambda p: p.update(code="import os"), "manifest: preprocessing.code: unknown field"),
    ],
)
def test_a_forged_encoder_is_refused(tmp_path, change, message):
    untrained().save(tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz") as file:
        parts = dict(file)
    manifest = json.loads(parts["manifest"].tobytes())
    change(manifest["preprocessing"])
    parts["manifest"] = np.frombuffer(json.dumps(manifest).encode(), np.uint8)
    np.savez(tmp_path / "forged.npz", **parts)

    with pytest.raises(CorruptModel) as caught:
        MLP.load(tmp_path / "forged.npz")
    assert str(caught.value).startswith(f"{tmp_path}/forged.npz: {message}")


def test_a_file_of_an_earlier_version_has_no_encoder():
    assert MLP.load(GOLDEN / "v2_layers.npz").encoder is None


def test_a_manifest_that_no_reader_takes_is_not_written(tmp_path):
    model = untrained()
    model.lineage = {"note": "x" * 2**24}

    with pytest.raises(InvalidInput, match="manifest: expected at most 16,776,192 bytes, got 16,77"):
        model.save(tmp_path / "m.npz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["v3_table", "v5_formats"])
def test_the_golden_file_with_an_encoder_stays_readable_for_ever(name):
    recorded = json.loads((GOLDEN / f"{name}.json").read_text())

    model = MLP.load(GOLDEN / f"{name}.npz", sha256=recorded["sha256"])

    np.testing.assert_allclose(model.encoder.encode(recorded["rows"]), recorded["encoded"], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(model.outputs(recorded["rows"]), recorded["outputs"], rtol=1e-5, atol=1e-6)
    assert model.predict(recorded["rows"]).tolist() == recorded["predictions"]
    assert list(model.encoder.names) == recorded["names"]


def test_an_older_file_reads_cells_as_it_did():
    encoder = MLP.load(GOLDEN / "v3_table.npz").encoder
    row = json.loads((GOLDEN / "v3_table.json").read_text())["rows"][0]

    def outputs(name, cell):
        found = encoder.encode([row | {name: cell}])
        return found[:, [encoder.source_of(j) == name for j in range(encoder.width)]].tolist()

    assert outputs("delay", "NA") == outputs("delay", None)
    assert outputs("when", "null") == outputs("when", None)
    assert outputs("carrier", "AA") != outputs("carrier", " AA")  # blanks counted
    assert outputs("carrier", "NA") != outputs("carrier", None)  # and words for gaps were categories
    assert outputs("codeshare", "TRUE") == outputs("codeshare", True) != outputs("codeshare", 1)
    assert outputs("seats", True) == outputs("seats", "1")
    with pytest.raises(InvalidInput, match=r"^rows\[0\]\.distance: expected a number, got 'none'"):
        outputs("distance", "none")
    assert encoder.to_json()["fitted"][0]["format"]["gaps"] == ["", "N/A", "NA", "NULL", "NaN", "nan", "null"]


def test_a_pickle_holds_the_encoder():
    model = untrained()

    assert np.array_equal(pickle.loads(pickle.dumps(model)).outputs(TABLE), model.outputs(TABLE))
