"""Requests that are sent to a Triton and to Layerwise over REST, so that the answers can be compared.

The model `bench` takes rows of 30 numbers as `input` and answers `probabilities`, `label` and `logits`.
"""

from __future__ import annotations

from typing import Any

from helpers.triton.infer_requests import INFER, INFER_CASES, ONE, ONE_ROW, ROW, ROWS, outputs, tensor
from helpers.triton.model_requests import MODEL_CASES
from helpers.triton.rest_case import RestCase, Step, case, get, post, post_step

METADATA = [
    get("the server is live", "/v2/health/live"),
    get("the server is ready", "/v2/health/ready"),
    get("metadata of the server", "/v2"),
    get("metadata of the server, with a slash", "/v2/"),
    get("the model is ready", "/v2/models/bench/ready"),
    get("the version is ready", "/v2/models/bench/versions/1/ready"),
    get("a version that is none is not ready", "/v2/models/bench/versions/2/ready"),
    get("a version that is no number is not ready", "/v2/models/bench/versions/one/ready"),
    get("a model that is none is not ready", "/v2/models/nobody/ready"),
    get("metadata of the model", "/v2/models/bench"),
    get("metadata of the model, with a slash", "/v2/models/bench/"),
    get("metadata of the version", "/v2/models/bench/versions/1"),
    get("metadata of a version that is none", "/v2/models/bench/versions/2"),
    get("metadata of a version that is no number", "/v2/models/bench/versions/one"),
    get("metadata of version -1", "/v2/models/bench/versions/-1"),
    get("metadata of version 0", "/v2/models/bench/versions/0"),
    get("metadata of a model that is none", "/v2/models/nobody"),
    get("metadata of a model with an odd name", "/v2/models/%2e%2e%2fbench"),
    get("configuration of the model", "/v2/models/bench/config"),
    get("configuration of the model, for one who accepts gzip", "/v2/models/bench/config", Accept_Encoding="gzip"),
    get("configuration of the version", "/v2/models/bench/versions/1/config"),
    get("configuration of a version that is none", "/v2/models/bench/versions/2/config"),
    get("configuration of a model that is none", "/v2/models/nobody/config"),
]

PATHS = [
    get("an unknown path", "/v2/nothing"),
    get("metadata of the server, with a query", "/v2?x=1"),
    post("a query of a prediction", f"{INFER}?x=1", ONE),
    get("an unknown path of a model", "/v2/models/bench/nothing"),
    get("the list of models", "/v2/models"),
    get("GET infer", "/v2/models/bench/infer"),
    get("GET the index of the repository", "/v2/repository/index"),
    get("GET load", "/v2/repository/models/bench/load"),
    post("POST the metadata of the server", "/v2", {}),
    post("POST the metadata of a model", "/v2/models/bench", {}),
    post("POST ready", "/v2/models/bench/ready", {}),
    post("POST live", "/v2/health/live", {}),
    post("POST the configuration", "/v2/models/bench/config", {}),
    post("POST statistics", "/v2/models/bench/stats", {}),
    RestCase("PUT infer", (Step("PUT", "/v2/models/bench/infer", b"{}"),)),
    RestCase("DELETE a model", (Step("DELETE", "/v2/models/bench"),)),
    RestCase("HEAD the metadata of the server", (Step("HEAD", "/v2"),)),
]

READY = Step("GET", "/v2/models/bench/ready")
METADATA_OF_BENCH = Step("GET", "/v2/models/bench")


def load(body: Any) -> Step:
    return post_step("/v2/repository/models/bench/load", body)


def unload(body: Any) -> Step:
    return post_step("/v2/repository/models/bench/unload", body)


REPOSITORY = [
    post("index of the repository", "/v2/repository/index", b""),
    post("index of the repository, an empty object", "/v2/repository/index", {}),
    post("index of what is ready", "/v2/repository/index", {"ready": True}),
    post("index with ready as a text", "/v2/repository/index", {"ready": "yes"}),
    post("index with an unknown key", "/v2/repository/index", {"steady": True}),
    post("index with a list", "/v2/repository/index", []),
    post("index with malformed JSON", "/v2/repository/index", b"{"),
    post("load a model that is loaded", "/v2/repository/models/bench/load", {}),
    post("load with an empty body", "/v2/repository/models/bench/load", b""),
    post("load a model that is none", "/v2/repository/models/nobody/load", {}),
    post("load with malformed JSON", "/v2/repository/models/bench/load", b"{"),
    post("load with a list", "/v2/repository/models/bench/load", []),
    post("load with parameters that are a list", "/v2/repository/models/bench/load", {"parameters": []}),
    post("load with a configuration that is none", "/v2/repository/models/bench/load", {"parameters": {"config": "{"}}),
    post(
        "load with a configuration that is a number", "/v2/repository/models/bench/load", {"parameters": {"config": 1}}
    ),
    post(
        "load a file without a configuration", "/v2/repository/models/bench/load", {"parameters": {"file:1/a": "eA=="}}
    ),
    post("load with an unknown parameter", "/v2/repository/models/bench/load", {"parameters": {"nothing": True}}),
    post("unload a model that is none", "/v2/repository/models/nobody/unload", {}),
    case(
        "unload and load",
        unload({}),
        READY,
        METADATA_OF_BENCH,
        post_step(INFER, ONE),
        unload({}),
        load({}),
        post_step(INFER, ONE),
    ),
    case("unload with a flag for its dependents", unload({"parameters": {"unload_dependents": True}}), load({})),
    case("unload with a flag that is a number", unload({"parameters": {"unload_dependents": 7}}), load({})),
    case("unload with an empty body", unload(b""), load({})),
    case("unload with malformed JSON", unload(b"{"), load({})),
]

SETTINGS = [
    get("settings of the log", "/v2/logging"),
    post("change nothing of the log", "/v2/logging", {}),
    post("change a flag of the log", "/v2/logging", {"log_info": True}),
    post("change the level of the log", "/v2/logging", {"log_verbose_level": 0}),
    post("change the log's format", "/v2/logging", {"log_format": "default"}),
    post("the log's format is none", "/v2/logging", {"log_format": "odd"}),
    post("a flag of the log is a text", "/v2/logging", {"log_info": "yes"}),
    post("the level of the log is a text", "/v2/logging", {"log_verbose_level": "much"}),
    post("the level of the log is negative", "/v2/logging", {"log_verbose_level": -1}),
    post("the log's file", "/v2/logging", {"log_file": "/tmp/log.txt"}),
    post("an unknown setting of the log", "/v2/logging", {"nothing": 1}),
    post("malformed settings of the log", "/v2/logging", b"{"),
    post("settings of the log are a list", "/v2/logging", []),
    get("settings of the trace", "/v2/trace/setting"),
    get("settings of a model's trace", "/v2/models/bench/trace/setting"),
    get("settings of the trace of a model that is none", "/v2/models/nobody/trace/setting"),
    post("switch the trace off", "/v2/trace/setting", {"trace_level": ["OFF"]}),
    post("switch the trace on", "/v2/trace/setting", {"trace_level": ["TIMESTAMPS"]}),
    post("an unknown setting of the trace", "/v2/trace/setting", {"nothing": "1"}),
    post("malformed settings of the trace", "/v2/trace/setting", b"{"),
    get("status of the shared memory", "/v2/systemsharedmemory/status"),
    get("status of a region that is none", "/v2/systemsharedmemory/region/r/status"),
    post(
        "register a region", "/v2/systemsharedmemory/region/r/register", {"key": "/none", "offset": 0, "byte_size": 4}
    ),
    post("unregister all regions", "/v2/systemsharedmemory/unregister", b""),
    post("unregister a region", "/v2/systemsharedmemory/region/r/unregister", b""),
    get("status of CUDA's shared memory", "/v2/cudasharedmemory/status"),
    post("unregister all regions of CUDA", "/v2/cudasharedmemory/unregister", b""),
]
THREE_ROWS = post_step(INFER, {"inputs": [tensor(ROWS, [3, 30])]})
STATISTICS = [
    case("statistics of the model", ONE_ROW, Step("GET", "/v2/models/bench/stats")),
    case("statistics of the version", ONE_ROW, Step("GET", "/v2/models/bench/versions/1/stats")),
    get("statistics of a model that was not asked", "/v2/models/values/stats"),
    get("statistics of all models", "/v2/models/stats"),
    get("statistics of a version that is none", "/v2/models/bench/versions/2/stats"),
    get("statistics of a model that is none", "/v2/models/nobody/stats"),
    case("what one row adds to the statistics", ONE_ROW, counted=True),
    case("what three rows add to the statistics", THREE_ROWS, counted=True),
    case("what four requests add to the statistics", *[ONE_ROW, THREE_ROWS] * 2, counted=True),
    case("what a wrong shape adds to the statistics", post_step(INFER, {"inputs": [tensor(ROW, [30])]}), counted=True),
    case("what malformed JSON adds to the statistics", post_step(INFER, b"{"), counted=True),
    case(
        "what an unknown output adds to the statistics",
        post_step(INFER, ONE | {"outputs": outputs("no")}),
        counted=True,
    ),
]

# What was not asked yet must come before the requests to it.
REST_CASES = [*STATISTICS, *METADATA, *PATHS, *REPOSITORY, *SETTINGS, *INFER_CASES, *MODEL_CASES]
