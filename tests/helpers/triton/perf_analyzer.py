"""The calls of Triton's perf_analyzer, and what it needs of their answers (perf_analyzer 2.41, read and recorded)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

DURATIONS = ("success", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss")
REQUESTS = 5


def replay(ask: Callable[[str], Mapping[str, Any]], infer: Callable[[int, list[str]], int]) -> None:
    """Go through its calls: `ask` for what it reads of `bench`, `infer` a row of so many inputs for outputs.

    `infer` returns how many of the outputs came back as bytes.
    """
    metadata, config = ask("metadata"), ask("config")
    assert metadata["name"] == config["name"] == "bench"
    known = {tensor["name"] for tensor in (*metadata["inputs"], *metadata["outputs"])}
    assert known == {tensor["name"] for tensor in (*config["input"], *config["output"])}
    [tensor] = metadata["inputs"]
    assert tensor["datatype"] == "FP32"
    assert int(config["max_batch_size"]) > 1
    _, *sizes = map(int, tensor["shape"])  # with a max_batch_size the first dimension is that of the rows
    assert all(size > 0 for size in sizes)
    assert "sequence_batching" not in config
    assert "statistics" in ask("server")["extensions"]

    names = sorted(output["name"] for output in metadata["outputs"])
    before = _counts(ask("statistics"))
    assert [infer(sizes[0], names) for _ in range(REQUESTS)] == [len(names)] * REQUESTS
    after = _counts(ask("statistics"))

    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == dict.fromkeys(
        ("inference_count", "execution_count", "success", "queue", "compute_input", "compute_infer", "compute_output"),
        REQUESTS,
    )


def _counts(statistics: Mapping[str, Any]) -> dict[str, int]:
    [model] = statistics["model_stats"]
    assert model["name"] == "bench"
    assert int(model["version"]) == 1
    counts = {name: int(model[name]) for name in ("inference_count", "execution_count")}
    for name in DURATIONS:
        duration = model["inference_stats"][name]
        assert int(duration["ns"]) >= 0
        counts[name] = int(duration["count"])
    return counts
