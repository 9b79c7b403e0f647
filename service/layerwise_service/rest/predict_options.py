"""What a request to /predict may have besides its rows: in a body of JSON, or else in the query."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from layerwise.checks import shown
from layerwise.errors import Place
from layerwise.wording import did_you_mean
from layerwise_service.errors import InvalidRequest
from layerwise_service.usecases.outputs import LOGITS, OUTPUTS, PREDICTIONS, PROBABILITIES, USUAL, Wanted


class Options(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a request may have besides its rows.

    The model may be left out when there is exactly one; the version means latest. `explain` asks for what each column
    contributes, `outputs` for these instead of predictions and probabilities, `top_k` for the most probable classes.
    """

    model: str | None = None
    version: str | int | None = None
    explain: bool = False
    outputs: list[str] | None = None
    top_k: int | None = None

    def wanted(self) -> Wanted:
        """Return the outputs that are asked for. Raises `InvalidRequest`."""
        if self.outputs is None and self.top_k is None:
            return USUAL
        if self.top_k is not None and self.top_k < 1:
            raise InvalidRequest(f"expected a number of classes, at least 1, got {self.top_k}", pointer="top_k")
        named = [PREDICTIONS] if self.outputs is None else self.outputs
        for index, name in enumerate(named):
            if name not in OUTPUTS:
                detail = f"expected {PREDICTIONS}, {PROBABILITIES} or {LOGITS}, got {shown(name)}"
                raise InvalidRequest(f"{detail}{did_you_mean(name, OUTPUTS)}", pointer=Place("outputs", index))
        if not named:
            raise InvalidRequest("expected at least one output, got none", pointer="outputs")
        return Wanted(PREDICTIONS in named, PROBABILITIES in named, LOGITS in named, self.top_k or 0)


OPTIONS = Options.__struct_fields__
"""The names of the options."""


def options_of(query: Mapping[str, str]) -> Options:
    """Return the options in a query; `outputs` are separated by commas. Raises `InvalidRequest`."""
    explain, top_k = query.get("explain", "false"), query.get("top_k", "1")
    if explain not in ("true", "false"):
        raise InvalidRequest(f"expected true or false, got {explain[:64] or 'nothing'}", pointer="explain")
    if not (top_k.isascii() and top_k.isdecimal() and len(top_k) < 10):
        raise InvalidRequest(f"expected a whole number, got {top_k[:64] or 'nothing'}", pointer="top_k")
    return Options(
        model=query.get("model") or None,
        version=query.get("version") or None,
        explain=explain == "true",
        outputs=query["outputs"].split(",") if "outputs" in query else None,
        top_k=int(top_k) if "top_k" in query else None,
    )
