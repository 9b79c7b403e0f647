"""POST /api/models/M/versions and GET …/file: model files become versions, and versions become files."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from helpers.bad_model_files import CANARY, bad_files, flipped_files, good_file
from helpers.memory import peak_growth
from helpers.model_files import archived, array, manifest, members
from helpers.rest_clients import running_rest
from layerwise import MLP, Architecture, Layer
from layerwise_service.settings import Settings

GOLDEN = Path(__file__).parents[2] / "core" / "golden"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        home=str(tmp_path_factory.mktemp("model_files") / "home"),
        max_model_bytes=20_000_000,
        max_layers=8,
        max_units=1000,
        max_parameters=50_000,
        max_features=100,
        max_label_bytes=20,
    )


@pytest.fixture(scope="module")
def rest(settings: Settings) -> Iterator[FlaskClient]:
    with running_rest(settings) as client:
        yield client


def sent(rest: FlaskClient, model: str, data: bytes, query: str = "") -> TestResponse:
    url = f"/api/models/{model}/versions{query}"
    return rest.post(url, data=data, content_type="application/octet-stream")


def fetched(rest: FlaskClient, url: str, **arguments: Any) -> TestResponse:
    return rest.get(url, buffered=True, **arguments)  # closed, as a server closes it


def problem(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["reason"]


def files(settings: Settings) -> list[str]:
    """All files of models and uploads."""
    root = settings.home_path / "artifacts"
    return sorted(path.name for kind in ("models", "uploads", "incoming") for path in (root / kind).iterdir())


def changed(**changes: object) -> bytes:
    """The good file with another manifest."""
    good = good_file()
    return archived(members(good) | {"manifest.npy": manifest(good, **changes)})


def test_a_model_file_becomes_a_version_which_predicts_and_is_the_same_file_again(rest: FlaskClient) -> None:
    data = good_file()
    sha256 = hashlib.sha256(data).hexdigest()

    answer = sent(rest, "mine", data, f"?sha256={sha256}")

    assert answer.status_code == 201, answer.text
    version = answer.get_json()
    assert (version["version"], version["sha256"], version["size_bytes"]) == (1, sha256, len(data))
    assert (version["job"], version["dataset"], version["evaluation"], version["columns"]) == (None, None, None, None)
    assert (version["labels"], version["plan"]["epochs"]) == (["a", "b", "c"], 1)
    assert rest.get("/api/models/mine/versions/1").get_json() == version
    local = MLP.load(io.BytesIO(data))
    rows = [[1.0, 0.0, 0.0, 2.0], [0.0, -1.0, 0.5, 0.0]]
    predicted = rest.post("/predict", json={"model": "mine", "instances": rows}).get_json()
    assert predicted["predictions"] == local.predict(rows).tolist()
    assert np.allclose(predicted["probabilities"], local.predict_proba(rows), rtol=1e-5)

    file = fetched(rest, "/api/models/mine/versions/latest/file")
    assert file.data == data
    assert file.headers["Content-Length"] == str(len(data))
    assert file.headers["ETag"] == f'"{sha256}"'
    assert file.headers["Content-Disposition"] == 'attachment; filename="mine-1.npz"'


def test_a_file_is_asked_for_in_part_not_again_if_it_is_the_same_and_without_its_body(rest: FlaskClient) -> None:
    data = good_file()
    etag = f'"{hashlib.sha256(data).hexdigest()}"'
    assert sent(rest, "parts", data).status_code == 201
    url = "/api/models/parts/versions/1/file"

    part = fetched(rest, url, headers={"Range": "bytes=10-19"})
    same = fetched(rest, url, headers={"If-None-Match": etag})
    head = rest.head(url, buffered=True)
    odd = [fetched(rest, url, headers={"Range": text}) for text in ("lines=1-2", "bytes=0-1,5-6", "bytes=x")]
    beyond = fetched(rest, url, headers={"Range": f"bytes={len(data)}-"})
    other = fetched(rest, url, headers={"If-Match": '"another"'})

    assert (part.status_code, part.data) == (206, data[10:20])
    assert [(each.status_code, each.data) for each in odd] == [(200, data)] * 3
    assert problem(beyond) == (416, "OUT_OF_RANGE")
    assert problem(other) == (412, "NOT_AS_REQUIRED")
    assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", etag)
    assert (head.status_code, head.data, head.headers["Content-Length"]) == (200, b"", str(len(data)))
    assert problem(fetched(rest, "/api/models/parts/versions/2/file")) == (404, "VERSION_NOT_FOUND")
    assert problem(fetched(rest, "/api/models/nobody/versions/1/file")) == (404, "MODEL_NOT_FOUND")


def test_the_newest_version_is_not_made_again_of_the_same_file(rest: FlaskClient) -> None:
    first, second = good_file(), changed(metrics={"loss": 0.25})

    made = [sent(rest, "again", data) for data in (first, first, second, first)]

    assert [(each.status_code, each.get_json()["version"]) for each in made] == [(201, 1), (200, 1), (201, 2), (201, 3)]


def test_a_form_with_a_file_becomes_a_version_too(rest: FlaskClient) -> None:
    answer = rest.post("/api/models/form/versions", data={"file": (io.BytesIO(good_file()), "../../evil.npz")})

    assert answer.status_code == 201, answer.text
    assert problem(rest.post("/api/models/form/versions", data={"a": "b"}, content_type="multipart/form-data")) == (
        400,
        "UNKNOWN_FIELD",
    )


def test_46_files_of_every_older_format_become_versions_with_the_outputs_of_their_time(rest: FlaskClient) -> None:
    paths = sorted(GOLDEN.glob("*.npz"))
    assert len(paths) >= 6
    for path in paths:
        answer = sent(rest, path.stem, path.read_bytes())

        assert answer.status_code == 201, (path, answer.text)
        local = MLP.load(path)
        assert fetched(rest, f"/api/models/{path.stem}/versions/1/file").data == path.read_bytes()
        if local.encoder is not None:
            columns = rest.get(f"/api/models/{path.stem}/versions/1/columns").get_json()["columns"]
            assert [each["name"] for each in columns] == [column.name for column in local.encoder.columns]
            continue
        rows = np.random.default_rng(0).normal(size=(5, local.architecture.inputs)).tolist()
        predicted = rest.post("/predict", json={"model": path.stem, "instances": rows})
        wanted = local.predict(rows)
        if wanted.dtype.kind == "f":
            found = np.reshape(predicted.get_json()["predictions"], wanted.shape)
            assert np.allclose(found, wanted, rtol=1e-4, atol=1e-5), path
        else:
            assert predicted.get_json()["predictions"] == wanted.tolist(), path


def test_a_network_without_a_plan_becomes_a_version_that_answers_its_outputs(rest: FlaskClient, tmp_path: Path) -> None:
    network = MLP(Architecture(2, (Layer(3, "relu"), Layer(2))), dtype=np.float64, seed=3)
    network.lineage = {"dataset": "d" * 64}
    network.save(tmp_path / "m.npz")

    version = sent(rest, "bare", (tmp_path / "m.npz").read_bytes()).get_json()

    assert (version["plan"], version["labels"], version["dataset"]) == (None, None, "d" * 64)
    answer = rest.post("/predict", json={"model": "bare", "instances": [[1, 2]]}).get_json()
    assert np.allclose(answer["predictions"], network.predict([[1.0, 2.0]]), rtol=1e-5)


def test_37_to_46_bad_files_are_refused_with_a_typed_error_nothing_is_left_and_memory_stays_flat(
    rest: FlaskClient, settings: Settings
) -> None:
    CANARY.unlink(missing_ok=True)
    sent(rest, "warm", good_file())
    before = files(settings)
    for fault, data in bad_files():
        start = time.monotonic()
        with peak_growth() as growth:
            answer = sent(rest, "bad", data)
        assert problem(answer) in {(400, "INVALID_MODEL_FILE"), (413, "MODEL_TOO_LARGE")}, (fault, answer.text)
        assert "Traceback" not in answer.text
        assert str(settings.home_path) not in answer.text
        assert growth() < (60_000_000 if "16 MB" in fault else 20_000_000), (fault, growth())
        assert time.monotonic() - start < 2, fault

    assert files(settings) == before
    assert problem(rest.get("/api/models/bad")) == (404, "MODEL_NOT_FOUND")
    assert not CANARY.exists()


def test_38_a_flipped_bit_is_seen_by_the_hash_always_and_without_it_never_changes_the_network(
    rest: FlaskClient, settings: Settings
) -> None:
    sha256 = hashlib.sha256(good_file()).hexdigest()
    weights = MLP.load(io.BytesIO(good_file())).parameters.tobytes()
    before = files(settings)

    for at, data in flipped_files(150):
        assert problem(sent(rest, "flipped", data, f"?sha256={sha256}")) == (400, "UPLOAD_DAMAGED"), at
    assert files(settings) == before

    for at, data in flipped_files(50):
        answer = sent(rest, "flips", data)
        if answer.status_code in (200, 201):  # a time stamp or the like, which no number depends on
            assert MLP.load(io.BytesIO(data)).parameters.tobytes() == weights, at
        else:
            assert problem(answer) == (400, "INVALID_MODEL_FILE"), (at, answer.text)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (changed(architecture={"inputs": 4, "layers": [{"units": 3}] * 9}, labels=None), "layer"),
        (changed(labels=["a" * 30, "b", "c"]), "max_label_bytes"),
        (changed(metrics={f"m{i}": 1.0 for i in range(101)}), "at most 100 metrics"),
        (changed(metrics={"m" * 65: 1.0}), "name of the metric"),
    ],
)
def test_a_model_beyond_a_limit_is_refused_before_its_arrays_are_read(
    rest: FlaskClient, data: bytes, words: str
) -> None:
    answer = sent(rest, "large", data)

    assert answer.status_code in (400, 413), answer.text
    assert words in answer.get_json()["detail"]


def test_limits_of_layers_units_parameters_and_inputs_hold(rest: FlaskClient, tmp_path: Path) -> None:
    for architecture in (
        Architecture(4, (Layer(2),) * 9),
        Architecture(2, (Layer(1001),)),
        Architecture(60, (Layer(900), Layer(2))),
        Architecture(101, (Layer(2),)),
    ):
        MLP(architecture).save(tmp_path / "m.npz")

        answer = sent(rest, "large", (tmp_path / "m.npz").read_bytes())

        assert problem(answer) == (413, "MODEL_TOO_LARGE"), architecture
        assert answer.get_json()["errors"][0]["place"] == ["file"]


def test_a_file_that_is_too_large_or_not_complete_or_of_another_hash_is_refused(
    rest: FlaskClient, settings: Settings
) -> None:
    before = files(settings)

    assert problem(sent(rest, "m", b"a" * 20_000_001)) == (413, "MODEL_TOO_LARGE")
    assert problem(sent(rest, "m", b"")) == (400, "EMPTY_FILE")
    assert problem(sent(rest, "m", good_file(), "?sha256=abc")) == (400, "INVALID_ARGUMENT")
    assert problem(sent(rest, "m", good_file(), f"?sha256={'0' * 64}")) == (400, "UPLOAD_DAMAGED")
    assert problem(sent(rest, "m", good_file(), "?shal=1")) == (400, "UNKNOWN_FIELD")
    start = b'--x\r\nContent-Disposition: form-data; name="file"; filename="m.npz"\r\n\r\n'
    form = rest.post(
        "/api/models/m/versions",
        data=start + bytes(20_000_001) + b"\r\n--x--\r\n",
        content_type="multipart/form-data; boundary=x",
    )
    assert problem(form) == (413, "MODEL_TOO_LARGE")
    coded = rest.post("/api/models/m/versions", data=good_file(), headers={"Content-Encoding": "gzip"})
    assert problem(coded) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert files(settings) == before


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "%2e%2e",
        "a%2Fb",
        "..%2f..%2fetc",
        "%00",
        "a" * 5000,
        "раypal",
        ".hidden",
        "%23",
        "a%3Fb",
        "A",
        "-a",
        "%20",
    ],
)
def test_47_a_bad_name_is_refused_and_no_file_is_made(rest: FlaskClient, settings: Settings, name: str) -> None:
    before = files(settings)

    for answer in (
        rest.post(f"/api/models/{name}/versions", data=good_file(), content_type="application/octet-stream"),
        fetched(rest, f"/api/models/{name}/versions/1/file"),
        fetched(rest, f"/api/models/mine/versions/{name}/file"),
    ):
        assert answer.status_code in (400, 404, 405), (name, answer.status_code)

    assert files(settings) == before


def test_48_a_symlink_in_the_store_is_not_followed(rest: FlaskClient, settings: Settings, tmp_path: Path) -> None:
    data = changed(metrics={"loss": 0.125})
    sha256 = sent(rest, "linked", data).get_json()["sha256"]
    place = settings.home_path / "artifacts" / "models" / f"{sha256}.npz"
    elsewhere = tmp_path / "secret.npz"
    place.rename(elsewhere)
    place.symlink_to(elsewhere)

    assert problem(fetched(rest, "/api/models/linked/versions/1/file")) == (500, "MODEL_DAMAGED")
    predicted = rest.post("/predict", json={"model": "linked", "instances": [[0, 0, 0, 0]]})
    assert problem(predicted) == (500, "MODEL_DAMAGED")

    assert sent(rest, "linked", data).get_json()["version"] == 1  # sent again, it mends the store
    assert not place.is_symlink()
    assert elsewhere.read_bytes() == data
    assert fetched(rest, "/api/models/linked/versions/1/file").data == data


def test_a_version_whose_probes_this_machine_does_not_reproduce_is_not_served_and_others_are(
    settings: Settings,
) -> None:
    # a process that looks for versions when it is asked for one, and does not load this one before its probes change
    asked_only = msgspec.structs.replace(settings, refresh_seconds=3_600.0)
    with running_rest(asked_only) as rest:
        sha256 = sent(rest, "broken", changed(metrics={"loss": 0.0625})).get_json()["sha256"]
        sent(rest, "whole", good_file())
        place = settings.home_path / "artifacts" / "models" / f"{sha256}.probes.json"
        probes: dict[str, Any] = json.loads(place.read_text())
        assert (len(probes["rows"]), len(probes["outputs"])) == (4, 4)
        probes["outputs"][2][1] += 1.0
        body = {"model": "broken", "instances": [[0, 0, 0, 0]]}

        wrong = ((json.dumps(probes), "MODEL_NOT_REPRODUCED"), ("{", "MODEL_DAMAGED"), ("{}", "MODEL_DAMAGED"))
        for text, reason in wrong:
            place.write_text(text)
            assert problem(rest.post("/predict", json=body)) == (500, reason)
        assert rest.post("/predict", json=body | {"model": "whole"}).status_code == 200

        place.unlink()  # as of a version of an older release
        assert rest.post("/predict", json=body).status_code == 200


def test_zero_weights_are_a_network_too(rest: FlaskClient) -> None:
    parts = members(good_file())
    zeros = {name: array(np.zeros_like(np.load(io.BytesIO(data)))) for name, data in parts.items() if "layer" in name}

    assert sent(rest, "zeros", archived(parts | zeros)).status_code == 201
    answer = rest.post("/predict", json={"model": "zeros", "instances": [[1, 2, 3, 4]]})
    assert np.allclose(answer.get_json()["probabilities"], 1 / 3)
