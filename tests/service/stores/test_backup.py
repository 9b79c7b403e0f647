"""Backups: of either database, at any time, restored into either; damaged ones are refused and change nothing."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import sqlalchemy as sa

from helpers.databases import database_at
from helpers.postgres import PostgresServer
from helpers.service_values import RECORD, new_job
from layerwise_service.domain.datasets import Dataset
from layerwise_service.domain.models import Version
from layerwise_service.errors import DatabaseUnusable, DataLoss
from layerwise_service.settings import Settings
from layerwise_service.stores.backup import Backup, write_backup
from layerwise_service.stores.database_url import read_database_url
from layerwise_service.stores.restoring import restore
from layerwise_service.stores.schema import metadata
from layerwise_service.wiring import Stores, open_stores

Publish = Callable[..., Version]


@pytest.fixture
def used(stores: Stores, publish: Publish, dataset: Dataset) -> Stores:
    """A store with versions, an alias, a job that trains, with a checkpoint, and one that waits."""
    for seed in range(2):
        publish("xor", seed=seed)
    stores.aliases.set("xor", "champion", 1)
    for _ in range(2):
        stores.jobs.submit(new_job(dataset), dataset, max_open=10)
    claim = stores.leases.claim("w")
    assert claim is not None
    stores.leases.add_records(claim, [RECORD], progress=0.5)
    checkpoint = stores.artifacts.checkpoints.write(claim, RECORD.step, {"a": np.arange(3)})
    stores.leases.keep_checkpoint(claim, checkpoint)
    return stores


def backed_up(stores: Stores, settings: Settings) -> tuple[bytes, Backup]:
    file = io.BytesIO()
    made = write_backup(stores.database, settings.home_path / "artifacts", file, on_file=lambda name: None)
    return file.getvalue(), made


@pytest.fixture(params=["sqlite", "postgresql"])
def elsewhere(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    """A new home, with a database of each kind."""
    home = str(tmp_path / "elsewhere")
    if request.param == "sqlite":
        yield msgspec.structs.replace(settings, home=home, database_url="")
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.new_database()
    yield msgspec.structs.replace(settings, home=home, database_url=url.render_as_string())
    server.drop(url)


def put_back(data: bytes, target: Settings) -> Backup:
    target.home_path.mkdir(exist_ok=True)
    url = read_database_url(target.database_url, target.home_path)
    return restore(url, target.home_path / "artifacts", io.BytesIO(data), on_file=lambda name: None)


def rows_of(stores: Stores) -> dict[str, Any]:
    kept = [table for table in metadata.sorted_tables if table.name not in ("workers", "pending_artifacts")]
    with stores.database.read() as connection:
        return {table.name: connection.execute(sa.select(table)).mappings().all() for table in kept}


def test_35_a_backup_of_a_store_in_use_is_restored_into_either_database(
    used: Stores, settings: Settings, elsewhere: Settings
) -> None:
    before = rows_of(used)
    data, made = backed_up(used, settings)

    found = put_back(data, elsewhere)

    assert (made.lost, found.counts) == ([], made.counts)
    assert found.hashes.items() < made.hashes.items()
    restored = open_stores(elsewhere)
    after = rows_of(restored)
    held = [row for row in before["jobs"] if row["state"] == "RUNNING"]
    for name, rows in before.items():
        if name not in ("jobs", "job_events"):
            assert sorted(map(str, after[name])) == sorted(map(str, rows)), name
    for version in range(1, 3):
        model = restored.artifacts.load_model(restored.versions.find("xor", str(version)).sha256)
        assert model.architecture.inputs == 2
    assert restored.versions.find("xor", "champion").number == 1
    job = restored.jobs.get(held[0]["id"])
    assert [change.reason for change in job.transitions] == ["SUBMITTED", "CLAIMED", "WORKER_STOPPED"]
    assert job.record == RECORD
    claim = restored.leases.claim("w")
    assert claim is not None
    assert claim.job.id == job.id
    assert [*restored.artifacts.checkpoints.read(claim.checkpoints[0])["a"]] == [0, 1, 2]
    restored.close()


def test_a_backup_that_is_cut_off_anywhere_or_changed_is_refused_and_can_be_restored_after_all(
    used: Stores, settings: Settings, elsewhere: Settings
) -> None:
    data, _ = backed_up(used, settings)
    end = data.rindex(b"hashes.json")  # the last file
    for part in range(1, 21):
        with pytest.raises(DataLoss):
            put_back(data[: end * part // 20], elsewhere)
    changed = bytearray(data)
    place = data.index(b"PK\x03\x04") + 200  # in a model
    changed[place] ^= 1
    with pytest.raises(DataLoss, match="damaged"):
        put_back(bytes(changed), elsewhere)

    put_back(data, elsewhere)

    restored = open_stores(elsewhere)
    assert restored.versions.find("xor", "2").number == 2
    restored.close()
    with pytest.raises(DatabaseUnusable, match="restore into a new"):
        put_back(data, elsewhere)


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "artifacts/models/x.npz", "database/../x.jsonl", "evil", "link"]
)
def test_a_file_that_no_backup_has_is_refused_and_written_nowhere(
    settings: Settings, tmp_path: Path, name: str
) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        about = json.dumps({"format": 1, "schema": "0018"}).encode()
        info = tarfile.TarInfo("layerwise-backup.json")
        info.size = len(about)
        tar.addfile(info, io.BytesIO(about))
        evil = tarfile.TarInfo(name if name != "link" else "artifacts/models/" + "0" * 64 + ".npz")
        if name == "link":
            evil.type, evil.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(evil, io.BytesIO())
    target = msgspec.structs.replace(settings, home=str(tmp_path / "there" / "home"), database_url="")
    target.home_path.parent.mkdir()

    with pytest.raises(DataLoss, match="no backup of Layerwise"):
        put_back(file.getvalue(), target)

    assert not list(tmp_path.rglob("evil*"))


def test_lost_and_damaged_files_are_told_and_all_others_are_restored(
    used: Stores, settings: Settings, elsewhere: Settings
) -> None:
    models = settings.home_path / "artifacts" / "models"
    lost, damaged = (used.versions.find("xor", number).sha256 for number in ("1", "2"))
    (models / f"{lost}.npz").unlink()
    (models / f"{damaged}.npz").write_bytes(b"damaged")

    data, made = backed_up(used, settings)
    found = put_back(data, elsewhere)

    assert sorted(made.lost) == sorted(found.lost) == sorted(f"artifacts/models/{each}.npz" for each in (lost, damaged))
    restored = open_stores(elsewhere)
    with pytest.raises(DataLoss):
        restored.artifacts.load_model(damaged)
    restored.close()


def test_a_backup_of_an_older_release_is_restored_and_migrated(
    used: Stores, settings: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    old = database_at("0016", tmp_path / "old.db")
    with old.write() as connection:
        connection.execute(sa.text("INSERT INTO store VALUES ('" + "a" * 32 + "')"))
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        about = {"format": 1, "release": "0.0.9", "schema": "0016", "store": "a" * 32}
        members = {"layerwise-backup.json": json.dumps(about)}
        members |= {"database/store.jsonl": json.dumps({"id": "a" * 32}) + "\n"}
        members |= {"database/registry.jsonl": json.dumps({"id": 1, "revision": 7, "newest_job": 3}) + "\n"}
        hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in members.items()}
        for name, text in (members | {"hashes.json": json.dumps({"hashes": hashes, "lost": []})}).items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))

    put_back(file.getvalue(), elsewhere)

    restored = open_stores(elsewhere)
    assert restored.versions.revision() == 7
    assert restored.jobs.page(limit=1) == []
    restored.close()
    newer = file.getvalue().replace(b'"0016"', b'"9999"')
    with pytest.raises(DataLoss, match="newer than this one"):
        put_back(newer, msgspec.structs.replace(elsewhere, home=str(tmp_path / "third"), database_url=""))


def test_a_backup_of_an_older_release_that_runs_changes_nothing(tmp_path: Path) -> None:
    old = database_at("0017", tmp_path / "old.db")
    with old.write() as connection:
        connection.execute(sa.text("INSERT INTO store VALUES ('" + "a" * 32 + "')"))
    file = io.BytesIO()

    write_backup(old, tmp_path / "artifacts", file, on_file=lambda name: None)

    with old.read() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == "0017"
    old.close()
    with tarfile.open(fileobj=io.BytesIO(file.getvalue())) as tar:
        about = tar.extractfile("layerwise-backup.json")
        assert about is not None
        assert json.load(about)["schema"] == "0017"


def test_a_damaged_dataset_is_told(used: Stores, settings: Settings) -> None:
    (folder,) = (settings.home_path / "artifacts" / "datasets").iterdir()
    (folder / "targets.npy").write_bytes(b"damaged")

    _, made = backed_up(used, settings)

    assert made.lost == [f"artifacts/datasets/{folder.name}"]


def test_a_checkpoint_that_is_replaced_while_the_backup_is_written_is_in_it(used: Stores, settings: Settings) -> None:
    folder, file = settings.home_path / "artifacts" / "checkpoints", io.BytesIO()

    def replaced(name: str) -> None:
        for path in folder.iterdir():
            path.unlink()

    made = write_backup(used.database, folder.parent, file, on_file=replaced)

    assert made.lost == []
    assert any(name.startswith("artifacts/checkpoints/") for name in made.hashes)


def crafted(data: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """A backup in which a file is another, with hashes that fit."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    members[name] = change(members[name])
    if name != "hashes.json":
        told = json.loads(members["hashes.json"])
        told["hashes"][name] = hashlib.sha256(members[name]).hexdigest()
        members["hashes.json"] = json.dumps(told).encode()
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for each, text in members.items():
            info = tarfile.TarInfo(each)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("layerwise-backup.json", lambda text: b"[]"),
        ("layerwise-backup.json", lambda text: b"[" * 100_000),
        ("layerwise-backup.json", lambda text: text.replace(b'"0018"', b'"0000"')),
        ("hashes.json", lambda text: b"[]"),
        ("hashes.json", lambda text: b"{}"),
        ("database/jobs.jsonl", lambda text: b"no json\n"),
        ("database/jobs.jsonl", lambda text: b"3\n"),
        ("database/jobs.jsonl", lambda text: b"\xff\n"),
        ("database/jobs.jsonl", lambda text: b'{"id": "x"}\n'),
        ("database/jobs.jsonl", lambda text: text.replace(b'"checkpoints": [{"name"', b'"checkpoints": [{"nome"')),
        ("database/jobs.jsonl", lambda text: re.sub(rb'"name": "[^"]*-1-', rb'"name": "../../../victim-1-', text)),
    ],
)
def test_a_crafted_backup_is_one_error(
    used: Stores, settings: Settings, tmp_path: Path, name: str, change: Callable[[bytes], bytes]
) -> None:
    data, _ = backed_up(used, settings)
    target = msgspec.structs.replace(settings, home=str(tmp_path / "crafted"), database_url="")

    with pytest.raises(DataLoss):
        put_back(crafted(data, name, change), target)


def test_a_packed_backup_is_restored(used: Stores, settings: Settings, tmp_path: Path) -> None:
    data, _ = backed_up(used, settings)
    target = msgspec.structs.replace(settings, home=str(tmp_path / "unpacked"), database_url="")

    found = put_back(gzip.compress(data), target)

    assert found.counts["jobs"] == 4
