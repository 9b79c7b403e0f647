"""REST answers as a Triton does; what a Triton answered is recorded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from helpers.rest_clients import running_rest
from helpers.triton.comparison import differences
from helpers.triton.infer_requests import outputs, split_step
from helpers.triton.meant import REST_MEANT, unmeant
from helpers.triton.ours import publish_all
from helpers.triton.perf_analyzer import replay
from helpers.triton.record import load
from helpers.triton.rest_case import RestCase, Send, Step, answers
from helpers.triton.rest_requests import REST_CASES
from layerwise_service.settings import Settings

RECORDED = load("rest")


@pytest.fixture(scope="module")
def send(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Send]:
    settings = Settings(home=str(tmp_path_factory.mktemp("triton") / "home"))
    publish_all(settings)
    with running_rest(settings) as client:

        def answer(step: Step) -> tuple[int, Iterable[tuple[str, str]], bytes]:
            response = client.open(step.path, method=step.method, data=step.body, headers=dict(step.headers))
            return response.status_code, list(response.headers), response.get_data()

        yield answer


@pytest.mark.parametrize("case", REST_CASES, ids=lambda case: case.name)
def test_rest_answers_as_triton_does(case: RestCase, send: Send) -> None:
    found = differences(RECORDED[case.name], answers(send, case))

    assert unmeant(case.name, found, REST_MEANT) == []


def test_each_recorded_answer_has_its_request_and_each_meant_difference_a_case() -> None:
    names = [case.name for case in REST_CASES]

    assert names == list(RECORDED)
    assert all(any(each.concerns(name) for name in names) for each in REST_MEANT)


def test_perf_analyzer_finds_what_it_needs_over_rest(send: Send) -> None:
    paths = {"metadata": "/v2/models/bench", "server": "/v2"}
    paths |= {"config": "/v2/models/bench/config", "statistics": "/v2/models/bench/stats"}

    def ask(what: str) -> Any:
        status, _, body = send(Step("GET", paths[what]))
        assert status == 200
        return json.loads(body)

    def infer(inputs: int, names: list[str]) -> int:
        tensor = {
            "name": "input",
            "datatype": "FP32",
            "shape": [1, inputs],
            "parameters": {"binary_data_size": 4 * inputs},
        }
        message = {"id": "", "inputs": [tensor], "outputs": outputs(*names, binary_data=True)}
        step = split_step(message, bytes(4 * inputs), Content_Type="application/octet-stream")
        found = answers(send, RestCase("", (step,)))
        assert found["status"] == 200
        return sum("binary_data_size" in output["parameters"] for output in found["body"]["outputs"])

    replay(ask, infer)
