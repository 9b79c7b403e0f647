"""Model files against a whole service: out of one model, into another, and the same answers everywhere."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from helpers.running import Service
from layerwise_client import datasets


def test_63_a_version_that_is_moved_answers_alike_over_grpc_rest_and_in_the_callers_process(
    service: Service, tmp_path: Path
) -> None:
    X, y = datasets.load("iris")
    network = {"layers": [{"units": 16, "activation": "relu"}]}
    with service.client() as client, service.client(over_rest=True) as rest:
        client.train("exported", network, X, y, plan={"epochs": 5}, progress=False).wait(timeout=60)
        downloaded = client.download("exported", tmp_path / "m.npz")
        local = client.local_model("exported")
        moved = client.import_model("moved", tmp_path / "m.npz", sha256=downloaded.sha256, progress=False)
        again = client.import_model("moved", local, progress=False)
        answers = [client.predict("exported", X), client.predict("moved", X), rest.predict("moved", X)]
        assert (moved.version, moved.job_id, moved.dataset) == (1, None, downloaded.dataset)
        assert again.version == moved.version  # a model saves to the same file
        assert client.model("moved").at(1).labels == ("setosa", "versicolor", "virginica")

    for answer in answers:
        assert answer.labels is not None
        assert answer.probabilities is not None
        assert answer.labels.tolist() == local.predict(X).tolist()
        np.testing.assert_allclose(answer.probabilities, local.predict_proba(X), rtol=1e-5, atol=1e-6)

    data = (tmp_path / "m.npz").read_bytes()
    url = f"{service.rest}/api/models/moved/versions/1/file"
    with urllib.request.urlopen(url, timeout=10) as response:
        assert response.headers["ETag"] == f'"{downloaded.sha256}"'
        assert response.headers["Content-Length"] == str(len(data))
        assert response.read() == data
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Range": "bytes=5-9"}), timeout=10) as response:
        assert (response.status, response.read()) == (206, data[5:10])
    with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=10) as response:
        assert (response.headers["Content-Length"], response.read()) == (str(len(data)), b"")
    post = urllib.request.Request(
        f"{service.rest}/api/models/posted/versions", data, {"Content-Type": "application/octet-stream"}
    )
    with urllib.request.urlopen(post, timeout=10) as response:
        assert response.status == 201


def test_a_caller_in_mid_send_reads_why_its_file_is_refused(service: Service) -> None:
    for path in ("models/refused/versions?sha256=abc", "models/A/versions", "datasets?sha256=abc"):
        headers = {"Content-Type": "application/octet-stream"}
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(
                urllib.request.Request(f"{service.rest}/api/{path}", bytes(30_000_000), headers), timeout=20
            )
        with caught.value as answer:
            assert (answer.code, json.load(answer)["status"]) == (400, 400), path
