"""The limits of a model that was made elsewhere, checked from what its file says, before its arrays are read."""

from __future__ import annotations

from layerwise.files.manifest import ModelContents
from layerwise_service.domain.specs import read_architecture
from layerwise_service.errors import InvalidRequest, TooLarge
from layerwise_service.settings import Settings

_MOST_METRICS = 100
_MOST_METRIC_NAME = 64  # characters
_MOST_LISTS = 2**16
_MOST_VALUES = 2**19
"""Lists and values in a manifest: it takes at most about 100 MB and a fifth of a second to parse."""
_WHY = "MODEL_TOO_LARGE"


def check_manifest_text(text: bytes) -> None:
    """Raise `TooLarge` if it would take much memory to parse the manifest. Commas and brackets in texts count, too."""
    if (lists := text.count(b"[") + text.count(b"{")) > _MOST_LISTS:
        raise _beyond("lists and objects in its manifest", lists, _MOST_LISTS)
    if (values := text.count(b",")) > _MOST_VALUES:
        raise _beyond("values in its manifest", values, _MOST_VALUES)


def check_limits(contents: ModelContents, settings: Settings) -> None:
    """Raise `TooLarge` if the model is larger than one that could be trained here."""
    try:
        read_architecture(contents.architecture.to_json(), None, settings)
    except InvalidRequest as error:
        raise TooLarge(str(error), pointer="file", reason=_WHY) from error
    if (inputs := contents.architecture.inputs) > settings.max_features:
        raise _beyond("inputs", inputs, settings.max_features, "max_features")
    for label in contents.labels or ():
        if isinstance(label, str) and (size := len(label.encode())) > settings.max_label_bytes:
            raise _beyond(f"bytes in the label {label[:32]!r}", size, settings.max_label_bytes, "max_label_bytes")
    columns = () if contents.encoder is None else contents.encoder.columns
    if len(columns) > settings.max_columns:
        raise _beyond("columns", len(columns), settings.max_columns, "max_columns")
    for column in columns:
        if (size := len(column.name.encode())) > settings.max_text_bytes:
            what = f"bytes in the name of the column {column.name[:32]!r}"
            raise _beyond(what, size, settings.max_text_bytes, "max_text_bytes")
    if len(contents.metrics) > _MOST_METRICS:
        raise _beyond("metrics", len(contents.metrics), _MOST_METRICS)
    for name in contents.metrics:
        if len(name) > _MOST_METRIC_NAME:
            raise _beyond(f"characters in the name of the metric {name[:32]!r}", len(name), _MOST_METRIC_NAME)


def _beyond(what: str, found: int, most: int, setting: str = "") -> TooLarge:
    limit = f" ({setting})" if setting else ""
    return TooLarge(f"expected at most {most:,} {what}{limit}, the model has {found:,}", pointer="file", reason=_WHY)
