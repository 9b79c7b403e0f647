"""What requests add to the statistics of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

COUNTS = ("inference_count", "execution_count", "count")


def growth(read: Callable[[], dict[str, Any]], work: Callable[[], object]) -> dict[str, int]:
    """By how much each count of the statistics is higher after `work`; counts that stay are left out."""
    before = dict(_counts(read()))
    work()
    after = dict(_counts(read()))
    return {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}


def without_numbers(answer: Any) -> Any:
    """Statistics with the word "number" for each number, and those of one size of batches only: the form alone."""
    if not isinstance(answer, dict) or "model_stats" not in answer:
        return answer
    return {"model_stats": _form(answer["model_stats"])}


def _form(value: Any) -> Any:
    if isinstance(value, dict):
        form = {name: inner if name in ("name", "version") else _form(inner) for name, inner in value.items()}
        return form | ({"batch_stats": form["batch_stats"][:1]} if "batch_stats" in form else {})
    if isinstance(value, list):
        return [_form(inner) for inner in value]
    return "number"


def _counts(statistics: Any, path: str = "") -> Iterator[tuple[str, int]]:
    """Each count and its place; batches are told apart by their size."""
    if isinstance(statistics, dict):
        for name, value in statistics.items():
            if name in COUNTS:
                yield path + name, int(value)
            else:
                yield from _counts(value, f"{path}{name}.")
    elif isinstance(statistics, list):
        for value in statistics:
            yield from _counts(value, f"{path}{value.get('batch_size')}.")
