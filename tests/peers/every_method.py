"""Every method of one of tritonclient's clients against a server of the models of `helpers.triton.served`.

`python every_method.py http|http.aio|grpc|grpc.aio HOST:PORT`, in an environment with tritonclient: its stubs and ours
cannot be in one process.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
import time
from collections.abc import AsyncIterator
from queue import Queue
from typing import Any

import numpy as np
from tritonclient.utils import InferenceServerException

ROWS = np.linspace(-1, 1, 90, dtype=np.float32).reshape(3, 30)


class Called:
    """A client that notes which of its methods were called; what they return is awaited if need be."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.names: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.names.add(name)
        return getattr(self._client, name)

    async def call(self, name: str, *arguments: Any, **options: Any) -> Any:
        found = getattr(self, name)(*arguments, **options)
        return await found if inspect.isawaitable(found) else found

    async def refused(self, name: str, *arguments: Any, **options: Any) -> str:
        """The message of the exception that a call must raise."""
        try:
            found = await self.call(name, *arguments, **options)
        except InferenceServerException as error:
            return str(error)
        raise AssertionError(f"{name}{arguments} gave {found!r}")


def name_in(found: Any, *names: str) -> Any:
    """A value of JSON or of a protobuf message."""
    for name in names:
        found = found[name] if isinstance(found, dict) else getattr(found, name)
    return found


class Checks:
    """The calls, whichever of the four clients makes them."""

    def __init__(self, kind: str, address: str) -> None:
        self.http = kind.startswith("http")
        self.wide = importlib.import_module("tritonclient.http" if self.http else "tritonclient.grpc")
        self.plugin = importlib.import_module(f"tritonclient.{kind}.auth").BasicAuth
        self.aio = kind.endswith("aio")
        module = importlib.import_module(f"tritonclient.{kind}")
        self.kind, self.client = module.InferenceServerClient, Called(module.InferenceServerClient(address))

    async def run(self) -> None:
        for check in (self.server, self.models, self.settings, self.memory, self.infer, self.tables, self.repository):
            await check()
        await (self.overlapping() if self.http else self.streams())
        await self.client.call("close")
        every = {name for name, _ in inspect.getmembers(self.kind, callable) if not name.startswith("_")}
        assert every == self.client.names, every ^ self.client.names

    async def server(self) -> None:
        call = self.client.call
        assert await call("is_server_live") is True
        assert await call("is_server_ready") is True
        metadata = await call("get_server_metadata")
        assert name_in(metadata, "version")
        assert {"statistics", "binary_tensor_data", "model_repository"} <= set(name_in(metadata, "extensions"))
        await call("register_plugin", self.plugin("user", "password"))
        assert await call("plugin")
        assert await call("is_server_live") is True
        await call("unregister_plugin")

    async def models(self) -> None:
        call, refused = self.client.call, self.client.refused
        assert await call("is_model_ready", "bench") is True
        assert await call("is_model_ready", "bench", "1") is True
        assert await call("is_model_ready", "nobody") is False
        metadata = await call("get_model_metadata", "bench")
        [tensor] = name_in(metadata, "inputs")
        assert name_in(tensor, "name") == "input"
        assert [int(size) for size in name_in(tensor, "shape")] == [-1, 30]
        assert "probabilities" in [name_in(output, "name") for output in name_in(metadata, "outputs")]
        config = await call("get_model_config", "bench", "1")
        config = config if self.http else config.config
        assert name_in(config, "name") == "bench"
        assert name_in(config, "max_batch_size") > 1
        statistics = await call("get_inference_statistics", "bench")
        assert name_in(name_in(statistics, "model_stats")[0], "version") == "1"
        assert "nobody" in await refused("get_model_metadata", "nobody")
        assert "nobody" in await refused("get_model_config", "nobody")

    async def settings(self) -> None:
        call = self.client.call
        assert "log_info" in str(await call("get_log_settings"))
        assert "log_verbose_level" in str(await call("update_log_settings", {"log_verbose_level": 0}))
        assert "trace_level" in str(await call("get_trace_settings"))
        assert "trace_level" in str(await call("update_trace_settings", settings={"trace_level": ["OFF"]}))

    async def memory(self) -> None:
        call, refused = self.client.call, self.client.refused
        await call("get_system_shared_memory_status")
        await refused("register_system_shared_memory", "region", "/none", 4)
        await call("unregister_system_shared_memory")
        await call("get_cuda_shared_memory_status")
        await refused("register_cuda_shared_memory", "region", b"bm9uZQ==", 0, 4)
        await call("unregister_cuda_shared_memory")

    def input(self, rows: Any = ROWS, name: str = "input", datatype: str = "FP32", **how: Any) -> Any:
        tensor = self.wide.InferInput(name, list(rows.shape), datatype)
        tensor.set_data_from_numpy(rows, **how)
        return tensor

    def output(self, name: str, **how: Any) -> Any:
        return self.wide.InferRequestedOutput(name, **how)

    async def infer(self) -> None:
        call, refused = self.client.call, self.client.refused
        result = await call("infer", "bench", [self.input()])
        expected = result.as_numpy("probabilities")
        assert expected.shape == (3, 2)
        assert expected.dtype == np.float32
        assert np.allclose(expected.sum(axis=1), 1)

        compression = {"request_compression_algorithm": "gzip", "response_compression_algorithm": "gzip"}
        result = await call(
            "infer",
            "bench",
            [self.input()],
            model_version="1",
            outputs=[self.output("logits"), self.output("label"), self.output("probabilities", class_count=2)],
            request_id="seven",
            priority=1,
            timeout=5_000_000,
            parameters={"unit": "m", "scale": 2, "exact": True},
            **(compression if self.http else {"compression_algorithm": "gzip", "client_timeout": 20}),
        )
        response = result.get_response()
        assert name_in(response, "id") == "seven"
        assert name_in(response, "model_version") == "1"
        assert set(result.as_numpy("label").ravel()) <= {b"no", b"yes"}
        assert (result.as_numpy("logits").argmax(axis=1) == expected.argmax(axis=1)).all()
        value, index, label = result.as_numpy("probabilities")[0, 0].decode().split(":")
        assert float(value) == round(float(expected[0].max()), 6)
        assert (int(index), label) == (expected[0].argmax(), ("no", "yes")[int(index)])

        assert "nothing" in await refused("infer", "bench", [self.input()], outputs=[self.output("nothing")])
        assert "input" in await refused("infer", "bench", [self.input(ROWS[:, :29].copy())])
        if self.http:
            await self.forms_of_http(expected)

    async def forms_of_http(self, expected: Any) -> None:
        for sent, received in ((True, False), (False, True), (False, False)):
            outputs = [self.output("probabilities", binary_data=received)]
            tensor = self.input(binary_data=sent)
            result = await self.client.call(
                "infer", "bench", [tensor], outputs=outputs, response_compression_algorithm="deflate"
            )
            assert np.allclose(result.as_numpy("probabilities"), expected)
        body, length = await self.client.call("generate_request_body", [self.input()])
        assert length < len(body)
        parsed = await self.client.call(
            "parse_response_body", b'{"outputs":[{"name":"a","datatype":"FP32","shape":[1],"data":[1.5]}]}'
        )
        assert parsed.as_numpy("a").tolist() == [1.5]

    async def tables(self) -> None:
        texts = np.array([["red"], ["green"]], object)
        columns = [
            self.input(np.array([[1.5], [2.5]]), "size", "FP64"),
            self.input(texts, "colour", "BYTES"),
            self.input(np.array([[True], [False]]), "fresh", "BOOL"),
        ]
        result = await self.client.call("infer", "table", columns)
        assert result.as_numpy("label").shape == (2, 1)
        assert result.as_numpy("label").dtype == object
        result = await self.client.call("infer", "values", [self.input(ROWS[:, :3].copy())])
        assert result.as_numpy("output").shape == (3, 1)
        assert await self.client.refused("infer", "table", columns[:2])

    async def repository(self) -> None:
        call = self.client.call
        index = await call("get_model_repository_index")
        models = index if self.http else index.models
        assert {name_in(model, "name") for model in models} >= {"bench", "table", "values"}
        assert {name_in(model, "state") for model in models} == {"READY"}
        await call("unload_model", "values")
        deadline = time.monotonic() + 10
        while await call("is_model_ready", "values"):  # each serving process sees it at its next look
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        await call("load_model", "values")
        assert await call("is_model_ready", "values") is True
        assert "nobody" in await self.client.refused("load_model", "nobody")

    async def overlapping(self) -> None:
        """Several requests at once over HTTP."""
        if self.aio:
            results = await asyncio.gather(*(self.client.call("infer", "bench", [self.input()]) for _ in range(4)))
        else:
            calls = [self.client.async_infer("bench", [self.input()]) for _ in range(4)]
            results = [call.get_result() for call in calls]
        assert all(result.as_numpy("probabilities").shape == (3, 2) for result in results)

    async def streams(self) -> None:
        """A stream with an error in the middle, and requests at once over gRPC."""
        sent = [("bench", "1"), ("nobody", "2"), ("bench", "3")]
        if self.aio:

            async def requests() -> AsyncIterator[dict[str, Any]]:
                for model, number in sent:
                    yield {"model_name": model, "inputs": [self.input()], "request_id": number}

            answers = [answer async for answer in self.client.stream_infer(requests())]
            await asyncio.gather(*(self.client.call("infer", "bench", [self.input()]) for _ in range(4)))
        else:
            found: Queue[Any] = Queue()
            self.client.start_stream(lambda result, error: found.put((result, error)))
            for model, number in sent:
                self.client.async_stream_infer(model, [self.input()], request_id=number)
            answers = [found.get(timeout=20) for _ in sent]
            self.client.stop_stream()
            self.client.async_infer("bench", [self.input()], lambda result, error: found.put((result, error)))
            result, error = found.get(timeout=20)
            assert error is None
            assert result.as_numpy("probabilities").shape == (3, 2)
        ids = [result.get_response().id for result, error in answers if error is None]
        assert ids == ["1", "3"]
        [error] = [str(error) for _, error in answers if error is not None]
        assert "nobody" in error


async def main(kind: str, address: str) -> None:
    await Checks(kind, address).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
    sys.stdout.write(f"every method of {sys.argv[1]}\n")
