"""What the Open Inference Protocol says of the server and of models: metadata, configuration, readiness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from typing import Any

from layerwise_service.errors import ServiceError
from layerwise_service.usecases.loaded_version import LoadedVersion
from layerwise_service.usecases.oip.inference import Inference
from layerwise_service.usecases.oip.signature import TensorSpec, signature_of
from layerwise_service.usecases.oip.tensors import BYTES
from layerwise_service.usecases.readiness import Readiness
from layerwise_service.usecases.registry import VersionResolver

NAME = "layerwise"
EXTENSIONS = (
    "classification",
    "model_repository",
    "model_configuration",
    "binary_tensor_data",
    "parameters",
    "statistics",
    "logging",
    "mlp_training",
)
"""Extensions of the protocol, by Triton's names; the last is ours."""


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """A version, its tensors, and the numbers of all versions of its model."""

    name: str
    versions: Sequence[str]
    inputs: Sequence[TensorSpec]
    outputs: Sequence[TensorSpec]
    platform: str = NAME


def server_version() -> str:
    """Return the version of this software."""
    return installed_version("layerwise")


class Metadata:
    """Describes the server and its models."""

    def __init__(self, inference: Inference, resolver: VersionResolver, readiness: Readiness) -> None:
        self._inference = inference
        self._resolver = resolver
        self._readiness = readiness

    def ready(self) -> bool:
        """Return whether predictions can be answered."""
        return all(outcome == "ok" for outcome in self._readiness.predictions().values())

    def model_ready(self, model: str, version: str) -> bool:
        """Return whether a version can be used."""
        try:
            self._inference.version(model, version)
        except ServiceError:
            return False
        return True

    def model(self, model: str, version: str) -> ModelMetadata:
        """Return the metadata of a version. Raises `NotFound`."""
        found = self._inference.version(model, version)
        signature = signature_of(found.network)
        numbers = sorted(self._resolver.current()[found.model].artifacts)
        return ModelMetadata(found.model, [str(number) for number in numbers], signature.inputs, signature.outputs)

    def config(self, model: str, version: str) -> dict[str, Any]:
        """Return the configuration of a version in the JSON form of Triton's ModelConfig. Raises as `model` does."""
        return _config(self._inference.version(model, version))


def _config(version: LoadedVersion) -> dict[str, Any]:
    signature = signature_of(version.network)
    return {
        "name": version.model,
        "platform": NAME,
        "backend": NAME,
        "runtime": "",
        "version_policy": {"all": {}},
        "max_batch_size": version.most_rows,
        "input": [
            {
                **_tensor(spec),
                "format": "FORMAT_NONE",
                "is_shape_tensor": False,
                "allow_ragged_batch": False,
                "optional": False,
                "is_non_linear_format_io": False,
            }
            for spec in signature.inputs
        ],
        "output": [
            {**_tensor(spec), "label_filename": "", "is_shape_tensor": False, "is_non_linear_format_io": False}
            for spec in signature.outputs
        ],
        "batch_input": [],
        "batch_output": [],
        "optimization": _OPTIMIZATION,
        "instance_group": [
            {
                "name": f"{version.model}_0",
                "kind": "KIND_CPU",
                "count": 1,
                "gpus": [],
                "secondary_devices": [],
                "profile": [],
                "passive": False,
                "host_policy": "",
            }
        ],
        "default_model_filename": "",
        "cc_model_filenames": {},
        "metric_tags": {},
        "parameters": {},
        "model_warmup": [],
    }


_OPTIMIZATION: Mapping[str, Any] = {
    "priority": "PRIORITY_DEFAULT",
    "input_pinned_memory": {"enable": False},
    "output_pinned_memory": {"enable": False},
    "gather_kernel_buffer_threshold": 0,
    "eager_batching": False,
}


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    kind = "TYPE_STRING" if spec.datatype == BYTES else f"TYPE_{spec.datatype}"
    return {"name": spec.name, "data_type": kind, "dims": list(spec.dims)}
