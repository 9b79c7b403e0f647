"""The weights of a version that a service has published."""

from __future__ import annotations

import hashlib

import numpy as np

from helpers.running import Service
from layerwise_client import Client


def weights(client: Client, service: Service, model: str, version: int = 1) -> str:
    """Return the SHA-256 of all arrays of a version, without its lineage, which names the job."""
    sha256 = client.model(model).at(version).sha256
    with np.load(service.home / "artifacts" / "models" / f"{sha256}.npz") as file:
        arrays = b"".join(file[name].tobytes() for name in sorted(file.files) if name != "manifest")
    return hashlib.sha256(arrays).hexdigest()
