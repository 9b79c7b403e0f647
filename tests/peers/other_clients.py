"""The clients of MLflow and KServe against a service with the models of `helpers.dialect_models`.

`python other_clients.py mlflow|deployments|kserve|requests ADDRESS`, in an environment that has them.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from urllib.parse import urlsplit

import numpy as np

ROWS = [[0.0, 1.0], [1.0, 0.25]]


def mlflow(address: str) -> None:
    """The scoring client. It knows one model of a server, so the server is that of one model."""
    import pandas as pd
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    host, port = urlsplit(address).hostname, urlsplit(address).port
    server = ScoringServerClient(host, port)
    server.wait_server_ready()
    assert server.get_version()
    client = ScoringServerClient(host, port)
    client.url_prefix = f"{address}/models/weather"
    frame = pd.DataFrame({"wind": [2.0, 1.5], "sky": ["clear", "grey"], "day": ["2024-05-03", "2024-05-01"]}, [7, 8])
    labels = client.invoke(frame).get_predictions("ndarray")
    assert set(labels) <= {"no", "yes"}
    assert len(labels) == 2
    probabilities = client.invoke(frame, params={"output": "probabilities"}).get_predictions()
    assert probabilities.shape == (2, 2)
    client.url_prefix = f"{address}/models/values"
    for rows in (np.array(ROWS), pd.DataFrame(ROWS), ROWS):
        assert client.invoke(rows).get_predictions("ndarray").shape == (2, 2)
    said = ""
    try:
        client.invoke([[1.0]])
    except Exception as error:
        said = str(error)
    assert "inputs[0]: expected 2 numbers, got 1" in said


def deployments(address: str) -> None:
    """The deployments client, for endpoints that are served by name."""
    from mlflow.deployments import get_deploy_client

    os.environ |= {"DATABRICKS_HOST": address, "DATABRICKS_TOKEN": "none"}
    client = get_deploy_client("databricks")
    found = client.predict(endpoint="values", inputs={"inputs": ROWS})
    assert np.shape(found["predictions"]) == (2, 2)
    frame = {"columns": ["wind", "sky", "day"], "data": [[2, "clear", "2024-05-03"]]}
    assert client.predict(endpoint="weather", inputs={"dataframe_split": frame})["predictions"][0] in ("no", "yes")


def kserve(address: str) -> None:
    """The REST client, with the first protocol."""
    from httpx import HTTPStatusError
    from kserve import InferenceRESTClient, RESTConfig

    async def run() -> None:
        async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
            assert await client.is_server_live(address)
            assert await client.is_model_ready(address, "values")
            found = await client.infer(address, {"instances": ROWS}, model_name="values")
            assert np.shape(found["predictions"]) == (2, 2)
            row = {"wind": 2, "sky": "clear", "day": "2024-05-03"}
            found = await client.infer(address, {"instances": [row]}, model_name="weather")
            assert np.isclose(np.sum(found["predictions"]), 1)
            said = []
            for body, model in (({"instances": ROWS}, "nothing"), ({"instances": [[1]]}, "values")):
                try:
                    await client.infer(address, body, model_name=model)
                except HTTPStatusError as error:
                    said.append((error.response.status_code, *error.response.json()))
            assert said == [(404, "error"), (400, "error")]

    asyncio.run(run())


def requests(address: str) -> None:
    """What the documents of TensorFlow Serving show: it has no client for REST."""
    import requests as http

    url = f"{address}/v1/models/half"
    assert http.get(url).json()["model_version_status"][0]["state"] == "AVAILABLE"
    assert "serving_default" in http.get(f"{url}/metadata").json()["metadata"]["signature_def"]["signature_def"]
    for data in (
        {"instances": [1.0, 2.0, 5.0]},
        {"signature_name": "serving_default", "instances": [[1.0], [2.0], [5.0]]},
    ):
        found = http.post(f"{url}:predict", data=json.dumps(data))
        found.raise_for_status()
        assert np.shape(found.json()["predictions"]) == (3, 1)
    body = {"signature_name": "tensorflow/serving/regress", "examples": [{"x": 1.0}, {"x": 2.0}]}
    assert len(http.post(f"{url}:regress", json=body).json()["results"]) == 2
    assert list(http.post(f"{address}/v1/models/nothing:predict", json=body).json()) == ["error"]


if __name__ == "__main__":
    {"mlflow": mlflow, "deployments": deployments, "kserve": kserve, "requests": requests}[sys.argv[1]](sys.argv[2])
    sys.stdout.write(f"{sys.argv[1]} works\n")
