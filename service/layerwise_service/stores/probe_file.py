"""The file of a model's probes, beside the model file: written when it is stored, checked when it is loaded."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from layerwise import MLP
from layerwise_service.domain.probes import Probes, difference, make_probes
from layerwise_service.errors import DataLoss
from layerwise_service.stores.files import open_stored


def write_probes(path: Path, model: MLP) -> None:
    """Make the probes of a model, and write them to a new file."""
    data = msgspec.json.encode(make_probes(model))
    with path.open("xb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def check_probes(path: Path, sha256: str, model: MLP) -> None:
    """Raise `DataLoss` if `model` does not reproduce the probes in the file; models of older releases have none.

    Raises OSError if the file cannot be read.
    """
    try:
        with open_stored(path) as file:
            data = file.read()
    except FileNotFoundError:
        return
    try:
        found = difference(model, msgspec.json.decode(data, type=Probes))
    except (msgspec.MsgspecError, ValueError) as error:
        raise DataLoss(f"the probes of model {sha256} are damaged: {error}", reason="MODEL_DAMAGED") from error
    if found:
        detail = f"this machine computes something else than the one that stored model {sha256}: probe {found}"
        raise DataLoss(detail, reason="MODEL_NOT_REPRODUCED")
