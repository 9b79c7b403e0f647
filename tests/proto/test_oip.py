"""The messages of the Open Inference Protocol are those that its clients know."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from layerwise_proto.oip import grpc_service_pb2 as oip
from layerwise_proto.oip import model_config_pb2 as config

FIELDS: dict[Any, dict[str, int]] = {
    oip.ModelInferRequest: {
        "model_name": 1,
        "model_version": 2,
        "id": 3,
        "parameters": 4,
        "inputs": 5,
        "outputs": 6,
        "raw_input_contents": 7,
    },
    oip.ModelInferResponse: {
        "model_name": 1,
        "model_version": 2,
        "id": 3,
        "parameters": 4,
        "outputs": 5,
        "raw_output_contents": 6,
    },
    oip.InferParameter: {
        "bool_param": 1,
        "int64_param": 2,
        "string_param": 3,
        "double_param": 4,
        "uint64_param": 5,
    },
    oip.InferTensorContents: {
        "bool_contents": 1,
        "int_contents": 2,
        "int64_contents": 3,
        "uint_contents": 4,
        "uint64_contents": 5,
        "fp32_contents": 6,
        "fp64_contents": 7,
        "bytes_contents": 8,
    },
    oip.ModelStatistics: {
        "name": 1,
        "version": 2,
        "last_inference": 3,
        "inference_count": 4,
        "execution_count": 5,
        "inference_stats": 6,
        "batch_stats": 7,
        "memory_usage": 8,
        "response_stats": 9,
    },
    config.ModelConfig: {
        "name": 1,
        "platform": 2,
        "version_policy": 3,
        "max_batch_size": 4,
        "input": 5,
        "output": 6,
        "instance_group": 7,
        "default_model_filename": 8,
        "dynamic_batching": 11,
        "parameters": 14,
        "backend": 17,
        "model_transaction_policy": 19,
    },
}


@pytest.mark.parametrize("message", FIELDS, ids=lambda message: message.DESCRIPTOR.full_name)
def test_the_fields_have_the_numbers_of_the_protocol(message: Any) -> None:
    assert {field.name: field.number for field in message.DESCRIPTOR.fields} == FIELDS[message]


def test_a_program_that_uses_the_client_can_define_the_protocol_itself() -> None:
    """tritonclient does: protobuf allows each name once in a process."""
    found = subprocess.run(
        [sys.executable, "-c", "import layerwise_client, sys; layerwise_client.Client; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert "layerwise_client" in found.stdout
    assert "layerwise_proto.oip" not in found.stdout
