"""The table of benchmarks.serving, with the goals."""

from collections.abc import Iterator, Mapping
from typing import Any

Figures = Mapping[str, Any]


def written(found: Figures) -> str:
    """Return the figures as a table in Markdown; what was not measured has no row."""
    lines = ["| what | measured | goal |", "|---|---|---|"]
    lines += [f"| {what} | {measured} | {goal} |" for (what, measured), goal in _rows(found)]
    if absent := found.get("absent"):
        lines += ["", f"Not there in this run: {', '.join(absent)}."]
    return "\n".join(lines) + "\n"


def _rows(found: Figures) -> Iterator[tuple[tuple[str, str], str]]:
    if rest := found.get("rest_16"):
        ours, v2, empty = rest["predict"], rest["v2"], rest["empty"]
        yield _row("REST, one row of 30-64-64-2, 16 connections, beside an empty Flask view", ours, empty), "≥ 0.85"
        for peer, name, goal in (
            ("triton", "Triton's REST, both `/v2` JSON", "≥ 1.1; p99 ≤ 1.5 ×"),
            ("mlserver", "MLServer's", "≥ 8; p99 ≤ 0.25 ×"),
        ):
            if peer in rest:
                yield _row(f"the same beside {name}", v2, rest[peer]), goal
    if one := found.get("rest_1"):
        ours, empty = one["predict"], one["empty"]
        text = f"p50 {ours['p50_ms']:.2f} ms, {ours['p50_ms'] / empty['p50_ms']:.2f} × the view's"
        yield ("REST, one row, one connection", text), "≤ 1.2 ×"
    if (grpc := found.get("grpc_16")) and "triton_grpc" in grpc:
        yield _row("gRPC ModelInfer, 16 at a time, beside Triton's", grpc["ours"], grpc["triton_grpc"]), "≥ 0.8"
    if large := found.get("large_bodies"):
        yield (
            (
                "1,000 × 784 as JSON",
                f"{large['json']:.1f} ms, {large['json'] / large['parser']:.2f} × the parser alone",
            ),
            "≤ 1.3 ×",
        )
        text = f"{large['binary']:.1f} ms, {large['json'] / large['binary']:.1f} times as fast as JSON"
        if "triton" in large:
            text += f"; {large['binary'] / large['triton']:.2f} × Triton's {large['triton']:.1f} ms"
        yield ("the same as a binary tensor", text), "≥ 10 times; ≤ 1.5 × Triton"
        yield ("the same as an array of NumPy", f"{large['npy']:.1f} ms"), ""
    if batching := found.get("batching"):
        for connections, goal in ((64, "≥ 3"), (1, "≥ 0.97")):
            yours, other = batching[f"with_{connections}"], batching[f"without_{connections}"]
            name = f"784-2048-2048-10, {connections} connection{'s' * (connections > 1)}, with joining beside without"
            yield _row(name, yours, other), goal
    if disturbed := found.get("disturbed"):
        quiet = disturbed["quiet"]["p99_ms"]
        for what, name, goal in (
            ("publishing", "a version is published every second", "≤ 1.5 ×"),
            ("training", "a job trains", "≤ 2 ×"),
        ):
            p99 = disturbed[what]["p99_ms"]
            yield (f"p99 while {name}", f"{p99:.1f} ms, {p99 / quiet:.2f} × the quiet {quiet:.1f} ms, 0 errors"), goal
    if many := found.get("many_models"):
        text = f"first predict p99 {many['cold_p99_ms']:.1f} ms; {many['asked_mb']:.0f} MB once all were asked"
        yield ("10,000 models of 30-64-64-2", text), "< 20 ms; < 1,000 MB"
    if start := found.get("start"):
        text = f"{start['first_seconds']:.2f} s; the slowest of the next 300 {start['later_ms']:.0f} ms"
        yield ("`layerwise serve` to the first answered predict", text), "< 2.5 s; < 50 ms"
        yield ("memory of the whole idle service with the extra `fast` (PSS)", f"{start['idle_mb']:.0f} MB"), "< 300 MB"


def _row(what: str, ours: Figures, other: Figures) -> tuple[str, str]:
    ratio, tail = ours["rate"] / other["rate"], ours["p99_ms"] / other["p99_ms"]
    text = f"{ours['rate']:,.0f} beside {other['rate']:,.0f} /s: {ratio:.2f}; "
    return what, text + f"p99 {ours['p99_ms']:.1f} beside {other['p99_ms']:.1f} ms: {tail:.2f} ×"
