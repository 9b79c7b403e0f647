"""Model files: what is sent and received, how both go on after a broken connection, and what is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import grpc
import pytest

from layerwise import MLP, Architecture, CorruptModel, Layer
from layerwise_client import InvalidRequest, ServiceFault
from layerwise_proto.v1 import datasets_pb2, models_pb2

MIB = 2**20


class Store:
    """One version of a service, "m/3", whose file has `content`; it breaks streams when so many bytes have passed."""

    def __init__(self, service, content=b"", *, breaks=()):
        self.content = content
        self.headers = []
        self.offsets = []
        self.breaks = list(breaks)
        self.damaged = False
        service.answers |= {
            "ImportVersion": self.take,
            "DownloadVersion": self.give,
            "GetUpload": lambda request, context: datasets_pb2.Upload(offset=len(self.content)),
            "GetModel": lambda request, context: models_pb2.Model(name=request.name, latest=3),
            "GetVersion": lambda request, context: self.version,
        }

    @property
    def version(self):
        sha256 = hashlib.sha256(self.content).hexdigest()
        return models_pb2.ModelVersion(model="m", version=3, sha256=sha256, size_bytes=len(self.content), parameters=26)

    def take(self, requests, context):
        first, *chunks = requests
        self.headers.append(first.header)
        for request in chunks:
            assert request.chunk.offset == len(self.content)
            self.content += request.chunk.data
            self._break(len(self.content), context)
        return models_pb2.ImportVersionResponse(version=self.version, created=True)

    def give(self, request, context):
        self.offsets.append((request.version, request.offset))
        yield models_pb2.DownloadVersionResponse(version=self.version)
        for offset in range(request.offset, len(self.content), MIB):
            data = self.content[offset : offset + MIB]
            chunk = datasets_pb2.FileChunk(offset=offset, data=b"?" * len(data) if self.damaged else data)
            yield models_pb2.DownloadVersionResponse(chunk=chunk)
            self._break(offset + MIB, context)

    def _break(self, passed, context):
        if self.breaks and passed >= self.breaks[0]:
            self.breaks.pop(0)
            context.abort(grpc.StatusCode.UNAVAILABLE, "going away")


@pytest.fixture
def model():
    return MLP(Architecture(4, (Layer(3, "relu"), Layer(2))), seed=7)


def test_a_path_bytes_and_a_model_are_sent_as_the_same_file(service, client, model, tmp_path):
    sha256 = model.save(tmp_path / "m.npz")
    for file in (tmp_path / "m.npz", str(tmp_path / "m.npz"), (tmp_path / "m.npz").read_bytes(), model):
        store = Store(service)

        version = client.import_model("m", file, sha256=sha256)

        assert (version.model, version.version, version.sha256) == ("m", 3, sha256)
        assert (version.job_id, version.dataset, version.plan, version.source) == (None, None, None, None)
        (header,) = store.headers
        assert (header.model, header.size, header.sha256) == ("m", len(store.content), sha256)
        assert store.content == (tmp_path / "m.npz").read_bytes()


def test_an_import_goes_on_where_it_was(service, client):
    store = Store(service, breaks=[2 * MIB, 3 * MIB])
    content = bytes(range(256)) * (4 * MIB // 256)

    client.import_model("m", content)

    assert store.content == content
    assert len({header.upload_id for header in store.headers}) == 1
    assert len(store.headers) == 3


@pytest.mark.parametrize("file", [7, None, "nowhere.npz", {"a": 1}])
def test_what_is_no_model_file_is_refused_before_it_is_sent(service, client, file):
    store = Store(service)

    with pytest.raises(InvalidRequest, match="file: "):
        client.import_model("m", file)
    with pytest.raises(InvalidRequest, match="model: expected a string"):
        client.import_model(7, b"a")

    assert store.headers == []


def test_a_download_goes_on_where_it_was_with_the_same_version_and_is_whole(service, client, tmp_path):
    content = bytes(range(256)) * (4 * MIB // 256)
    store = Store(service, content, breaks=[2 * MIB])

    version = client.download("m", tmp_path / "m.npz", version="champion")

    assert (version.model, version.version) == ("m", 3)
    assert (tmp_path / "m.npz").read_bytes() == content
    assert store.offsets == [("champion", 0), ("3", 2 * MIB)]


def test_a_file_that_arrives_damaged_replaces_nothing(service, client, tmp_path):
    path = tmp_path / "m.npz"
    path.write_bytes(b"before")
    store = Store(service, b"content")
    store.damaged = True

    with pytest.raises(ServiceFault, match="the file of m/3 did not arrive as it is stored"):
        client.download("m", path)
    with pytest.raises(ServiceFault):
        client.local_model("m")

    assert path.read_bytes() == b"before"
    assert [each.name for each in tmp_path.iterdir()] == ["m.npz"]


def test_a_local_model_predicts_without_the_service(service, client, model, tmp_path):
    model.save(tmp_path / "m.npz")
    Store(service, (tmp_path / "m.npz").read_bytes())

    local = client.local_model("m", version=3)
    service.stop()

    assert (local.predict([[1, 2, 3, 4]]) == model.predict([[1, 2, 3, 4]])).all()


def test_a_file_of_a_later_release_says_so(service, client):
    Store(service, b"of a later release")

    with pytest.raises(CorruptModel, match=r"expected an \.npz file"):
        client.local_model("m")


def test_the_command_imports_and_downloads(service, run, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sha256 = model.save(tmp_path / "in.npz")
    Store(service)

    done = run("models", "import", "m", "in.npz", "--sha256", sha256)
    assert (done.exit_code, done.stdout) == (0, f"m/3: 26 parameters, SHA-256 {sha256}\n")
    done = run("models", "download", "m/champion", "-o", "out.npz")
    assert (done.exit_code, done.stderr) == (
        1,
        "layerwise: m has no version or alias 'champion'; the newest version is 3\n",
    )
    done = run("models", "download", "m/3", "-o", "out.npz")
    assert (done.exit_code, done.stdout) == (0, f"out.npz: m/3, {len((tmp_path / 'in.npz').read_bytes()):,} bytes\n")
    assert (tmp_path / "out.npz").read_bytes() == (tmp_path / "in.npz").read_bytes()

    assert (
        run("models", "download", "m", "-o", "out.npz").stderr == "layerwise: out.npz exists; --force overwrites it\n"
    )
    assert run("models", "download", "m", "-o", "out.npz", "--force").exit_code == 0
    assert run("models", "download", "m").stdout.startswith("m-3.npz: m/3")
    done = run("models", "import", "m", "nowhere.npz")
    assert (done.exit_code, done.stderr) == (1, "layerwise: FILE: there is no file nowhere.npz\n")


def test_the_command_names_a_file_that_is_no_model(service, run):
    def refuse(requests, context):
        list(requests)
        service.fail(context, grpc.StatusCode.INVALID_ARGUMENT, "expected an .npz file", "CORRUPT", place=("file",))

    service.answers["ImportVersion"] = refuse
    Path("few.csv").write_text("a\n1\n")
    Path("empty.npz").touch()

    done = run("models", "import", "m", "few.csv")
    assert (done.exit_code, done.stderr) == (1, "layerwise: few.csv: expected an .npz file\n")
    done = run("models", "import", "m", "empty.npz")
    assert done.stderr == "layerwise: empty.npz: expected a model file (.npz), the file is empty\n"
