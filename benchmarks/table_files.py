"""Table files into datasets and versions: uploading, reading and training, each beside what it is compared with.

    python -m benchmarks.table_files upload|reading [--megabytes 1024] [--rounds 3]
    python -m benchmarks.table_files train --data FOLDER --old CHECKOUT [--rounds 3]

`upload` sends a CSV file to `UploadDataset` and the same bytes to a bare gRPC stream, in turns. `reading` shows the
memory of the processes while that file is read. `train` runs `layerwise train flights.csv --target carrier --epochs 1`
here and in another checkout with a .venv, in turns, each on a service of its own. The file takes room three times.
"""

import argparse
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from pathlib import Path
from typing import cast

import grpc

from layerwise_proto.v1 import datasets_pb2, datasets_pb2_grpc

CHUNK = 2**20
MEGABYTE = 2**20
BARE = """
import asyncio, grpc
async def take(requests, context):
    return str(sum([len(data) async for data in requests])).encode()
async def main():
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    calls = {"Take": grpc.stream_unary_rpc_method_handler(take)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("Bare", calls)])
    print("rpc 127.0.0.1:%d" % server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()
asyncio.run(main())
"""
"""A gRPC server that counts the bytes of a stream."""
ADDRESS = re.compile(r"(?i)rpc +(127\.0\.0\.1:\d+)")


def write_csv(path: Path, megabytes: int) -> None:
    """Write a table of numbers, categories, dates and texts of about this size."""
    draw = random.Random(0)
    lines: list[str] = []
    for i in range(200_000):
        numbers = f"{draw.gauss(0, 100):.4f},{draw.random():.9f},{draw.randrange(500)}"
        day = f"20{draw.randrange(10, 25)}-{draw.randrange(1, 13):02}-{draw.randrange(1, 29):02}"
        lines.append(f"{i},{numbers},{draw.choice(['red', 'green', 'blue', ''])},{day},{draw.choice('abc')}{i % 977}\n")
    block = "".join(lines).encode()
    with path.open("wb") as file:
        file.write(b"id,x,share,place,colour,day,code\n")
        while file.tell() < megabytes * MEGABYTE:
            file.write(block)


@contextmanager
def started(command: list[str]) -> Generator[tuple[int, str]]:
    """Start a process that says its gRPC address; give its id and that address."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            address = next(found[1] for line in process.stdout if (found := ADDRESS.search(line)))
            time.sleep(1)
            yield process.pid, address
        finally:
            process.send_signal(signal.SIGTERM)


def serve(layerwise: Path, home: Path) -> list[str]:
    return [str(layerwise), "serve", "--home", str(home), "--rest", "127.0.0.1:0", "--rpc", "127.0.0.1:0"]


def own_layerwise() -> Path:
    return Path(sys.executable).with_name("layerwise")


def chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            yield data


def requests(path: Path, size: int) -> Iterator[datasets_pb2.UploadDatasetRequest]:
    yield datasets_pb2.UploadDatasetRequest(header=datasets_pb2.FileHeader(size=size))
    offset = 0
    for data in chunks(path):
        yield datasets_pb2.UploadDatasetRequest(chunk=datasets_pb2.FileChunk(offset=offset, data=data))
        offset += len(data)


def send_bare(address: str, path: Path) -> float:
    """Send the bytes of a file to the bare server, and return the seconds that it took."""
    with grpc.insecure_channel(address) as channel:
        take = cast("Callable[[Iterator[bytes]], bytes]", channel.stream_unary("/Bare/Take"))
        start = time.perf_counter()
        assert int(take(chunks(path))) == path.stat().st_size
        return time.perf_counter() - start


def send_ours(address: str, path: Path) -> float:
    """Upload a file, and return the seconds that it took.

    One byte more is announced than is sent, so that the service answers as soon as it has the file.
    """
    with grpc.insecure_channel(address) as channel:
        stub = datasets_pb2_grpc.DatasetServiceStub(channel)
        start = time.perf_counter()
        try:
            stub.UploadDataset(requests(path, path.stat().st_size + 1))
        except grpc.RpcError as error:
            if "as announced" not in str(error):
                raise
        return time.perf_counter() - start


def compare_upload(path: Path, folder: Path, rounds: int) -> None:
    """Send the file in turns, each time from a new process: a sender is slower after another stream."""
    seconds: dict[str, list[float]] = {"ours": [], "bare": []}
    with (
        started(serve(own_layerwise(), folder / "home")) as (_, rpc),
        started([sys.executable, "-c", BARE]) as (_, bare),
        ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as senders,
    ):
        for turn in range(rounds):
            for name in ("ours", "bare") if turn % 2 else ("bare", "ours"):
                sent = senders.submit(send_bare, bare, path) if name == "bare" else senders.submit(send_ours, rpc, path)
                seconds[name].append(sent.result())
    for name, found in seconds.items():
        rate = path.stat().st_size / MEGABYTE / statistics.median(found)
        print(f"{name:6} {statistics.median(found):6.2f} s   {rate:5.0f} MB/s", flush=True)
    share = statistics.median(b / a for a, b in zip(seconds["ours"], seconds["bare"], strict=True))
    print(f"rate of ours / bare {share:.2f}", flush=True)


def memory_of(pid: int) -> int:
    """Bytes that a process holds, without the pages of files."""
    with suppress(OSError, IndexError):
        resident, shared = Path(f"/proc/{pid}/statm").read_text().split()[1:3]
        return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
    return 0


def kinds_of(root: int) -> Iterator[tuple[str, int]]:
    """The rpc process and the readers that a service has started, with their ids."""
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if b"layerwise_service.reading" in command:
                yield "reader", int(folder.name)
            elif parent == root and (folder / "comm").read_text() == "lw-rpc\n":
                yield "rpc", int(folder.name)


def measure_reading(path: Path, folder: Path) -> None:
    most: dict[str, int] = {}
    ended = threading.Event()
    with (
        started(serve(own_layerwise(), folder / "home")) as (pid, rpc),
        grpc.insecure_channel(rpc) as channel,
    ):

        def look() -> None:
            while not ended.wait(0.05):
                for kind, process in kinds_of(pid):
                    most[kind] = max(most.get(kind, 0), memory_of(process))

        looking = threading.Thread(target=look)
        looking.start()
        start = time.perf_counter()
        try:
            stub = datasets_pb2_grpc.DatasetServiceStub(channel)
            dataset = stub.UploadDataset(requests(path, path.stat().st_size))
        finally:
            ended.set()
            looking.join()
    seconds = time.perf_counter() - start
    print(f"{dataset.rows:,} rows sent and read in {seconds:.1f} s", flush=True)
    for kind, size in sorted(most.items()):
        print(f"{kind:6} at most {size / MEGABYTE:4.0f} MB", flush=True)


def compare_train(data: Path, old: Path, folder: Path, rounds: int) -> None:
    seconds: dict[str, list[float]] = {"here": [], "old": []}
    commands = {"here": own_layerwise(), "old": old / ".venv/bin/layerwise"}
    for turn in range(rounds):
        for name in ("here", "old") if turn % 2 else ("old", "here"):
            layerwise = commands[name]
            with started(serve(layerwise, folder / f"{name}{turn}")) as (_, rpc):
                train = [str(layerwise), "train", str(data / "flights.csv"), "--target", "carrier", "--epochs", "1"]
                start = time.perf_counter()
                subprocess.run([*train, "--rpc", rpc], check=True, stdout=subprocess.DEVNULL)
                seconds[name].append(time.perf_counter() - start)
    for name, found in seconds.items():
        print(f"{name:4} {statistics.median(found):6.1f} s", flush=True)
    times = statistics.median(b / a for a, b in zip(seconds["here"], seconds["old"], strict=True))
    print(f"old / here {times:.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("upload", "reading", "train"))
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=os.environ.get("LAYERWISE_FLIGHTS"), help="folder of flights.csv")
    parser.add_argument("--old", type=Path, help="a checkout with a .venv")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.what == "train":
            if options.data is None or options.old is None:
                parser.error("train needs --data FOLDER and --old CHECKOUT")
            compare_train(options.data, options.old, folder, options.rounds)
            return
        path = folder / "table.csv"
        write_csv(path, options.megabytes)
        if options.what == "upload":
            compare_upload(path, folder, options.rounds)
        else:
            measure_reading(path, folder)


if __name__ == "__main__":
    main()
