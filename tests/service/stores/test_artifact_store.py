"""The stored files: only what this database registered is ever removed, and what is wrong with one is said."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from helpers.service_values import LIMITS, ROWS, new_job
from helpers.waiting import wait_until
from layerwise import MLP, Architecture, Layer
from layerwise_service.domain.datasets import Batch, Dataset
from layerwise_service.domain.models import Version
from layerwise_service.errors import DataLoss, Unavailable
from layerwise_service.settings import Settings
from layerwise_service.stores.pending import Artifact, PendingArtifacts
from layerwise_service.stores.schema import pending_artifacts
from layerwise_service.wiring import Stores, open_stores

DAY = 86_400


@pytest.fixture
def database_url() -> str:
    """SQLite alone: this is about files."""
    return ""


def stored(home: Path) -> list[str]:
    """Names of all datasets and models."""
    return sorted(path.name for kind in ("datasets", "models") for path in (home / "artifacts" / kind).iterdir())


def incoming(home: Path) -> list[Path]:
    return list((home / "artifacts" / "incoming").iterdir())


def pending(stores: Stores) -> int:
    with stores.database.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(pending_artifacts)) or 0


def age(stores: Stores, seconds: float) -> None:
    """Makes everything that is pending older."""
    older = sa.update(pending_artifacts).values(registered=pending_artifacts.c.registered - seconds)
    with stores.database.write() as connection:
        connection.execute(older)


def test_what_is_used_is_never_swept(
    stores: Stores, settings: Settings, publish: Callable[..., Version], dataset: Dataset
) -> None:
    version = publish()
    age(stores, 2 * DAY)

    stores.artifacts.sweep()

    assert stored(settings.home_path) == sorted(
        [dataset.sha256, f"{version.sha256}.npz", f"{version.sha256}.probes.json"]
    )
    assert pending(stores) == 0


def test_what_was_registered_and_never_used_is_swept_after_a_day(
    stores: Stores, settings: Settings, dataset: Dataset
) -> None:
    stores.artifacts.keep_model(MLP(Architecture(inputs=2, layers=(Layer(2),))))
    age(stores, DAY - 60)
    stores.artifacts.sweep()
    assert len(stored(settings.home_path)) == 3

    age(stores, 120)
    stores.artifacts.sweep()

    assert stored(settings.home_path) == []
    assert incoming(settings.home_path) == []
    assert pending(stores) == 0


def test_a_file_that_this_database_has_not_registered_is_never_swept(stores: Stores, settings: Settings) -> None:
    folders = {kind: settings.home_path / "artifacts" / kind for kind in ("datasets", "models")}
    (folders["models"] / f"{'a' * 64}.npz").write_bytes(b"of another state of the database")
    (folders["datasets"] / ("b" * 64)).mkdir()
    for folder in folders.values():
        for path in folder.iterdir():
            os.utime(path, (0, 0))

    stores.artifacts.sweep()

    assert stored(settings.home_path) == [f"{'a' * 64}.npz", "b" * 64]


def test_a_file_is_registered_before_it_gets_its_place(
    stores: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, list[str]]] = []
    register = PendingArtifacts.register

    def watched(self: PendingArtifacts, kind: Artifact, sha256: str) -> None:
        seen.append((kind, stored(settings.home_path)))
        register(self, kind, sha256)

    monkeypatch.setattr(PendingArtifacts, "register", watched)
    writer = stores.artifacts.new_dataset(classes=None, **LIMITS)
    writer.add(Batch(ROWS, ["no", "yes", "yes", "no"]))
    stores.artifacts.keep(writer, writer.finish())
    stores.artifacts.keep_model(MLP(Architecture(inputs=2, layers=(Layer(2),))))

    assert [(kind, len(names)) for kind, names in seen] == [("dataset", 0), ("model", 1)]
    assert pending(stores) == 2


def test_a_dataset_that_is_sent_again_is_young_again(stores: Stores, settings: Settings, dataset: Dataset) -> None:
    age(stores, 2 * DAY)
    writer = stores.artifacts.new_dataset(classes=None, **LIMITS)
    writer.add(Batch(ROWS, ["no", "yes", "yes", "no"]))
    stores.artifacts.keep(writer, writer.finish())

    stores.artifacts.sweep()

    assert stored(settings.home_path) == [dataset.sha256]


def test_a_job_on_a_dataset_that_was_swept_before_it_was_queued_is_refused(stores: Stores, dataset: Dataset) -> None:
    age(stores, 2 * DAY)
    stores.artifacts.sweep()

    with pytest.raises(Unavailable) as caught:
        stores.jobs.submit(new_job(dataset), dataset, max_open=10)

    assert caught.value.reason == "ARTIFACT_EXPIRED"
    assert stores.jobs.page(limit=10) == []


def test_nothing_is_swept_in_a_folder_that_was_exchanged_while_the_service_runs(
    stores: Stores, settings: Settings, dataset: Dataset
) -> None:
    age(stores, 2 * DAY)
    (settings.home_path / "artifacts" / "store-id").write_text("0" * 32)

    with pytest.raises(Unavailable, match="was replaced while the service was running"):
        stores.artifacts.sweep()

    assert stored(settings.home_path) == [dataset.sha256]


UPLOAD = """
import sys, time
from layerwise_service.domain.datasets import Batch
from layerwise_service.settings import Settings
from layerwise_service.wiring import open_stores
from helpers.service_values import LIMITS, ROWS

stores = open_stores(Settings(home=sys.argv[1], database_url=sys.argv[2]))
writer = stores.artifacts.new_dataset(classes=None, **LIMITS)
writer.add(Batch(ROWS, ["no", "yes", "yes", "no"]))
print("writing", flush=True)
time.sleep(60)
"""


def test_what_a_killed_process_leaves_is_removed_at_once_and_what_a_living_one_writes_is_kept(
    stores: Stores, settings: Settings
) -> None:
    writer = stores.artifacts.new_dataset(classes=None, **LIMITS)
    uploads = [upload(settings) for _ in range(2)]
    assert len(incoming(settings.home_path)) == 3

    uploads[0].kill()
    uploads[0].wait()
    stores.artifacts.sweep()
    assert len(incoming(settings.home_path)) == 2

    uploads[1].kill()
    uploads[1].wait()
    other = open_stores(settings)
    other.artifacts.sweep()
    other.close()

    assert incoming(settings.home_path) == [writer.folder]
    writer.discard()


def upload(settings: Settings) -> subprocess.Popen[str]:
    """A process in the middle of an upload."""
    tests = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", UPLOAD, settings.home, settings.database_url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": tests})
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.stdout.close()
    return process


def test_what_an_earlier_release_left_in_incoming_is_removed_after_a_day(stores: Stores, settings: Settings) -> None:
    folder = settings.home_path / "artifacts" / "incoming"
    old, young = folder / ("a" * 32), folder / ("b" * 32)
    for path in (old, young):
        path.mkdir()
        (path / "rows.npy").touch()
    for path in (old / "rows.npy", old):
        os.utime(path, (0, 0))

    stores.artifacts.sweep()

    assert incoming(settings.home_path) == [young]


@contextmanager
def no_files_left() -> Iterator[None]:
    """No file can be opened in the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest_descriptor() + 1, hard))
    held = []
    try:
        while True:
            try:
                held.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                break
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def highest_descriptor() -> int:
    return max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_without_descriptors_a_model_cannot_be_loaded_now_and_can_be_later(
    stores: Stores, publish: Callable[..., Version]
) -> None:
    version = publish()

    with no_files_left(), pytest.raises(Unavailable) as caught:
        stores.artifacts.load_model(version.sha256)

    assert (caught.value.reason, caught.value.retry_after) == ("TOO_MANY_OPEN_FILES", 1)
    assert stores.artifacts.load_model(version.sha256).architecture.inputs == 2


def test_without_descriptors_no_dataset_is_taken_for_damaged(stores: Stores, dataset: Dataset) -> None:
    with no_files_left(), pytest.raises(Unavailable):
        stores.artifacts.open_dataset(dataset.sha256, dataset.shape)

    rows, _, _ = stores.artifacts.open_dataset(dataset.sha256, dataset.shape)
    assert not isinstance(rows, dict)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def replace_by_link_to_itself(path: Path) -> None:
    moved = path.rename(path.with_suffix(".moved"))
    path.symlink_to(moved)


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "damage", [replace_by_folder, replace_by_dangling_link, replace_by_link_to_itself, replace_by_pipe]
)
@pytest.mark.parametrize("kind", ["model", "rows", "targets"])
def test_what_is_no_file_is_told_as_lost_data(
    stores: Stores,
    settings: Settings,
    publish: Callable[..., Version],
    dataset: Dataset,
    damage: Callable[[Path], None],
    kind: str,
) -> None:
    version = publish()
    root = settings.home_path / "artifacts"
    if kind == "model":
        damage(root / "models" / f"{version.sha256}.npz")
    else:
        damage(root / "datasets" / dataset.sha256 / f"{kind}.npy")

    def read() -> object:
        if kind == "model":
            return stores.artifacts.load_model(version.sha256)
        return stores.artifacts.open_dataset(dataset.sha256, dataset.shape)

    signal.alarm(30)  # a pipe would be waited for
    try:
        with pytest.raises(DataLoss) as caught:
            read()
    finally:
        signal.alarm(0)

    assert caught.value.reason == f"{'MODEL' if kind == 'model' else 'DATASET'}_DAMAGED"


def test_a_folder_that_is_missing_is_told_before_rows_are_sent_for_nothing(stores: Stores, settings: Settings) -> None:
    (settings.home_path / "artifacts" / "datasets").rmdir()

    with pytest.raises(Unavailable, match="the folder datasets of the artefacts is missing") as caught:
        stores.artifacts.check()

    assert caught.value.reason == "STORAGE_UNAVAILABLE"


def test_the_lock_of_a_process_ends_with_its_stores(settings: Settings) -> None:
    stores = open_stores(settings)
    writer = stores.artifacts.new_dataset(classes=None, **LIMITS)
    folder = settings.home_path / "artifacts" / "processes"
    assert len([path for path in folder.iterdir() if path.name != ".lock"]) == 1

    writer.discard()
    stores.close()

    wait_until(lambda: [path.name for path in folder.iterdir()] == [".lock"])
