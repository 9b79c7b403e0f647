"""Which database and which folder of artefacts belong together, and what happens to those that do not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from helpers.databases import database_at
from helpers.service_values import new_job
from layerwise_service.domain.datasets import Dataset
from layerwise_service.domain.models import Version
from layerwise_service.errors import DatabaseUnusable, DataLoss, ServiceError, StorageUnavailable, Unavailable
from layerwise_service.settings import Settings
from layerwise_service.stores import identity, migrations
from layerwise_service.stores.database import Database
from layerwise_service.wiring import Stores, open_stores


@pytest.fixture
def database_url() -> str:
    """SQLite alone: most of this is about its file. `test_identity_elsewhere` has what is true of both."""
    return ""


@pytest.fixture
def root(settings: Settings) -> Path:
    return settings.home_path / "artifacts"


@pytest.fixture
def used(settings: Settings, stores: Stores, publish: Callable[..., Version]) -> Version:
    """A home with a dataset and a model, closed."""
    version = publish()
    stores.close()
    return version


def id_of(root: Path) -> str:
    return (root / "store-id").read_text().strip()


def id_in(settings: Settings) -> str | None:
    stores = open_stores(settings)
    with stores.database.read() as connection:
        found: str | None = connection.scalar(sa.text("SELECT id FROM store"))
    stores.close()
    return found


def at(settings: Settings, database: Path) -> Settings:
    return msgspec.structs.replace(settings, database_url=f"sqlite:///{database}")


def artifacts(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for kind in ("datasets", "models") for path in (root / kind).rglob("*"))


def test_a_new_home_and_its_database_bear_the_same_id(settings: Settings, stores: Stores, root: Path) -> None:
    stores.close()

    assert len(id_of(root)) == 32
    assert id_in(settings) == id_of(root)


def test_a_home_that_was_used_opens_again(settings: Settings, used: Version) -> None:
    stores = open_stores(settings)

    assert stores.artifacts.load_model(used.sha256).architecture.inputs == 2
    stores.close()


@pytest.mark.parametrize("with_id", [True, False], ids=["of this release", "of an earlier release"])
@pytest.mark.parametrize("state", ["missing", "zeroed", "of another program", "new"])
def test_a_folder_with_artefacts_is_not_opened_with_a_database_that_knows_none(
    settings: Settings, used: Version, root: Path, state: str, with_id: bool
) -> None:
    before = artifacts(root)
    path = settings.home_path / "layerwise.db"
    if not with_id:
        (root / "store-id").unlink()
    path.unlink()
    if state == "zeroed":
        path.touch()
    elif state == "of another program":
        database = Database(f"sqlite:///{path}", create=True)
        with database.write() as connection:
            connection.execute(sa.text("CREATE TABLE other (x)"))
        database.close()
    elif state == "new":
        database = Database(f"sqlite:///{path}", create=True)
        migrations.migrate(database)
        database.close()

    with pytest.raises(DatabaseUnusable, match=r"layerwise\.db.*restore.*layerwise adopt --home") as caught:
        open_stores(settings)

    assert "\n" not in str(caught.value)
    assert artifacts(root) == before
    assert path.exists() is (state != "missing")
    if state == "of another program":
        with Database(f"sqlite:///{path}").read() as connection:
            assert sa.inspect(connection).get_table_names() == ["other"]


def test_a_folder_that_lost_its_artefacts_is_not_taken_for_the_databases(
    settings: Settings, used: Version, root: Path
) -> None:
    shutil.rmtree(root)

    with pytest.raises(DatabaseUnusable, match=r"knows 1 dataset and 1 model, and none of .*is its disk mounted"):
        open_stores(settings)

    assert artifacts_made(root) == []


@pytest.mark.parametrize("state", ["missing", "empty"])
@pytest.mark.parametrize("names", [["datasets"], ["models"], ["datasets", "models"]])
def test_a_store_that_lost_a_folder_is_not_opened_until_it_is_back_or_adopted(
    settings: Settings, used: Version, root: Path, tmp_path: Path, names: list[str], state: str
) -> None:
    for name in names:
        shutil.move(root / name, tmp_path / name)
        if state == "empty":  # as the place where a disk was mounted
            (root / name).mkdir(mode=0o700)

    with pytest.raises(
        DatabaseUnusable, match=r"is its disk mounted\? If so, restore .*layerwise adopt --home"
    ) as caught:
        open_stores(settings)

    assert "\n" not in str(caught.value)
    assert all((root / name).exists() is (state == "empty") for name in names)
    assert artifacts(root) == [path for path in artifacts(root) if path.partition("/")[0] not in names]

    open_stores(settings, adopt=True).close()
    open_stores(settings).close()
    for name in names:  # and the next time that it is not mounted
        shutil.rmtree(root / name)
        shutil.copytree(tmp_path / name, root / name)
    open_stores(settings).close()
    shutil.rmtree(root / names[0])
    with pytest.raises(DatabaseUnusable, match="is its disk mounted"):
        open_stores(settings)


def test_a_few_files_that_are_missing_concern_the_versions_that_need_them(
    settings: Settings, stores: Stores, publish: Callable[..., Version], root: Path
) -> None:
    lost, kept = publish("lost", seed=1), publish("kept", seed=2)
    (root / "models" / f"{lost.sha256}.npz").unlink()

    again = open_stores(settings)

    assert again.artifacts.load_model(kept.sha256).architecture.inputs == 2
    with pytest.raises(DataLoss) as caught:
        again.artifacts.load_model(lost.sha256)
    assert caught.value.reason == "MODEL_MISSING"
    again.close()


def test_a_folder_that_is_unmounted_while_the_store_is_open_takes_no_models(
    stores: Stores, publish: Callable[..., Version], root: Path, tmp_path: Path
) -> None:
    publish("first")
    models = root / "models"
    shutil.move(models, tmp_path / "models")
    models.mkdir()
    for check in (stores.artifacts.check, stores.artifacts.check_models, lambda: publish("second", seed=2)):
        with pytest.raises(StorageUnavailable, match="is its disk mounted"):
            check()
    assert list(models.iterdir()) == []

    models.rmdir()
    shutil.copytree(tmp_path / "models", models)

    stores.artifacts.check()
    publish("second", seed=2)


def artifacts_made(root: Path) -> list[str]:
    return [path.name for path in root.rglob("*") if path.name != ".opening"]


def test_two_databases_do_not_share_a_folder(settings: Settings, used: Version, root: Path, tmp_path: Path) -> None:
    other = msgspec.structs.replace(settings, home=str(tmp_path / "other"))
    open_stores(other).close()

    with pytest.raises(DatabaseUnusable, match="belongs to another folder of artefacts"):
        open_stores(at(settings, other.home_path / "layerwise.db"))


def test_a_backup_of_the_database_from_before_it_had_an_id_is_known_by_what_it_knows(
    settings: Settings, used: Version, root: Path
) -> None:
    before = id_of(root)
    forget_the_id(settings.home_path / "layerwise.db")

    assert id_in(settings) == before


def test_a_home_of_an_earlier_release_is_taken_over_once(settings: Settings, used: Version, root: Path) -> None:
    (root / "store-id").unlink()
    go_back(settings.home_path / "layerwise.db", used)
    (root / "models" / f"{used.sha256}.probes.json").unlink()
    for path in settings.home_path.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    orphan = root / "models" / f"{'a' * 64}.npz"
    orphan.touch()
    os.utime(orphan, (0, 0))

    stores = open_stores(settings)
    stores.artifacts.sweep()

    assert orphan.exists()  # the database never heard of it
    assert stores.artifacts.load_model(used.sha256).architecture.inputs == 2
    stores.close()
    assert id_in(settings) == id_of(root)
    open_to_others = [path for path in settings.home_path.rglob("*") if path.stat().st_mode & 0o077]
    assert open_to_others == []


def forget_the_id(path: Path) -> None:
    database = Database(f"sqlite:///{path}")
    with database.write() as connection:
        connection.execute(sa.text("DELETE FROM store"))
    database.close()


def go_back(path: Path, version: Version) -> None:
    """Puts a database of the first release with tables, which knows one version, in the place of the one there."""
    path.unlink()
    database = database_at("0003", path)
    with database.write() as connection:
        connection.exec_driver_sql("INSERT INTO datasets VALUES (?, 4, 2, 2, NULL, 1, 0, NULL)", (version.dataset,))
        connection.exec_driver_sql(
            "INSERT INTO jobs (id, model, state, architecture, plan, dataset, metric, created, fingerprint) "
            "VALUES ('j', 'xor', 'SUCCEEDED', '{}', '{}', ?, 'accuracy', 0, 'f')",
            (version.dataset,),
        )
        connection.exec_driver_sql(
            "INSERT INTO model_versions (model, number, job, created, sha256, size_bytes, metrics, architecture, plan, "
            "parameters, dataset) VALUES ('xor', 1, 'j', 0, ?, 1, '{}', '{}', '{}', 1, ?)",
            (version.sha256, version.dataset),
        )
    database.close()


@pytest.mark.parametrize("was_used", [False, True])
def test_a_crash_between_the_two_ids_is_mended_by_the_next_start(
    settings: Settings, root: Path, monkeypatch: pytest.MonkeyPatch, was_used: bool, request: pytest.FixtureRequest
) -> None:
    if was_used:
        request.getfixturevalue("used")
        (root / "store-id").unlink()
        forget_the_id(settings.home_path / "layerwise.db")

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(identity, "_write_folder_id", crash)
    with pytest.raises(KeyboardInterrupt):
        open_stores(settings)
    monkeypatch.undo()

    assert id_in(settings) == id_of(root)


def test_a_database_adopts_a_folder_on_purpose(settings: Settings, used: Version, root: Path, tmp_path: Path) -> None:
    before = artifacts(root)
    first = id_of(root)
    other = at(settings, tmp_path / "other.db")

    stores = open_stores(other, adopt=True)
    stores.artifacts.sweep()
    stores.close()

    assert artifacts(root) == before
    assert id_of(root) != first
    open_stores(other).close()
    with pytest.raises(DatabaseUnusable, match="belongs to another folder"):
        open_stores(settings)

    open_stores(settings, adopt=True).close()
    assert id_of(root) == first


def test_processes_that_open_a_new_home_at_once_agree_on_its_id(settings: Settings, root: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        for opened in pool.map(open_stores, [settings] * 4):
            opened.close()

    assert id_in(settings) == id_of(root)


@pytest.mark.parametrize("name", ["a?b", "a%25b", "a b#c", "a%3Fmode=memory", "ü?x=1&y"])
def test_the_database_is_in_the_home_whatever_its_name(tmp_path: Path, name: str) -> None:
    settings = Settings(home=str(tmp_path / name))

    open_stores(settings).close()

    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / "layerwise.db").stat().st_size > 0


def test_files_and_folders_of_a_home_are_of_its_user_alone(
    settings: Settings, stores: Stores, publish: Callable[..., Version]
) -> None:
    publish()

    modes = {str(path): path.stat().st_mode & 0o777 for path in (settings.home_path, *settings.home_path.rglob("*"))}
    folders = {path: mode for path, mode in modes.items() if Path(path).is_dir()}
    databases = {path: mode for path, mode in modes.items() if "layerwise.db" in path}
    assert set(folders.values()) == {0o700}
    assert set(databases.values()) == {0o600}


def test_a_home_that_holds_other_things_keeps_its_mode(tmp_path: Path) -> None:
    home = tmp_path / "projects"
    home.mkdir(mode=0o755)
    (home / "thesis.txt").touch()

    open_stores(Settings(home=str(home))).close()

    assert home.stat().st_mode & 0o777 == 0o755
    assert (home / "artifacts").stat().st_mode & 0o777 == 0o700


def test_files_whose_names_begin_like_the_databases_keep_their_modes(tmp_path: Path) -> None:
    place = tmp_path / "srv"
    (place / "app-public").mkdir(parents=True)
    (place / "app.html").touch()
    for path in (place, *place.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)
    before = {path: path.stat().st_mode for path in place.iterdir()}

    open_stores(at(Settings(home=str(tmp_path / "home")), place / "app")).close()

    assert {path: path.stat().st_mode for path in before} == before
    assert (place / "app").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["layerwise.db-public", "layerwise.dbase"])
def test_a_home_with_a_file_whose_name_begins_like_the_databases_keeps_its_mode(tmp_path: Path, name: str) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    (home / name).touch()

    open_stores(Settings(home=str(home))).close()

    assert home.stat().st_mode & 0o777 == 0o755


def test_only_our_files_of_an_artefacts_folder_are_shut_to_others(settings: Settings, root: Path) -> None:
    foreign = root / "models" / "resnet.bin"
    foreign.parent.mkdir(parents=True)
    foreign.touch()
    foreign.chmod(0o644)

    open_stores(settings).close()

    assert foreign.stat().st_mode & 0o777 == 0o644
    assert foreign.parent.stat().st_mode & 0o777 == 0o700


def unlink(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    shutil.copy(path, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def empty(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize(
    ("change", "kind", "reason"),
    [
        (unlink, Unavailable, "DATABASE_MISSING"),
        (replace, Unavailable, "DATABASE_REPLACED"),
        (empty, DataLoss, "DATABASE_MISSING"),
    ],
)
def test_nothing_is_acknowledged_that_goes_to_a_database_that_is_gone(
    settings: Settings,
    stores: Stores,
    dataset: Dataset,
    change: Callable[[Path], None],
    kind: type[ServiceError],
    reason: str,
) -> None:
    change(settings.home_path / "layerwise.db")

    with pytest.raises(kind) as caught:
        stores.jobs.submit(new_job(dataset), dataset, max_open=10)
    assert caught.value.reason == reason
    with pytest.raises(kind):
        stores.database.check()


def test_a_database_that_is_put_back_is_used_again(settings: Settings, stores: Stores, dataset: Dataset) -> None:
    path = settings.home_path / "layerwise.db"
    moved = path.rename(path.with_suffix(".moved"))
    with pytest.raises(Unavailable):
        stores.jobs.submit(new_job(dataset), dataset, max_open=10)

    moved.rename(path)

    assert stores.jobs.submit(new_job(dataset), dataset, max_open=10).state == "QUEUED"


def test_no_database_is_made_by_opening_one_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnusable, match="there is no database"):
        Database(f"sqlite:///{tmp_path / 'missing.db'}")

    assert list(tmp_path.iterdir()) == []
