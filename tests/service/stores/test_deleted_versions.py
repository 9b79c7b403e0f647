"""Versions that are deleted: which may be, what becomes of their numbers, their files and the jobs that made them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from helpers.service_values import new_job
from layerwise_service.domain.datasets import Dataset
from layerwise_service.domain.jobs import Start
from layerwise_service.domain.models import Version
from layerwise_service.errors import Conflict, NotFound
from layerwise_service.settings import Settings
from layerwise_service.stores.schema import pending_artifacts
from layerwise_service.stores.version_store import ModelNotFound, VersionNotFound
from layerwise_service.wiring import Stores

Publish = Callable[..., Version]


def file_of(settings: Settings, version: Version) -> Path:
    return settings.home_path / "artifacts" / "models" / f"{version.sha256}.npz"


def sweep_after_the_grace(stores: Stores) -> None:
    with stores.database.write() as connection:
        connection.execute(sa.update(pending_artifacts).values(registered=0.0))
    stores.artifacts.sweep()


def test_the_number_of_a_deleted_version_is_not_given_again(stores: Stores, publish: Publish) -> None:
    for seed in range(3):
        publish("xor", seed=seed)

    stores.versions.delete("xor", 3)
    stores.versions.delete("xor", 1)

    assert stores.versions.get("xor").latest == 2
    assert publish("xor", seed=3).number == 4
    stores.versions.delete("xor", 2)
    stores.versions.delete("xor", 4)
    assert publish("xor", seed=4).number == 5
    assert publish("other").number == 1


def test_a_model_without_versions_is_gone_and_may_come_back(stores: Stores, publish: Publish) -> None:
    publish("xor")

    stores.versions.delete("xor", 1)

    with pytest.raises(ModelNotFound):
        stores.versions.get("xor")
    assert stores.versions.page(limit=9, after="") == []
    assert publish("xor", seed=1).number == 2


def test_a_version_that_an_alias_names_is_not_deleted(stores: Stores, publish: Publish) -> None:
    publish("xor")
    stores.aliases.set("xor", "champion", 1)
    with pytest.raises(Conflict, match="version 1 of xor has the alias champion, to be") as caught:
        stores.versions.delete("xor", 1)
    assert caught.value.reason == "VERSION_IN_USE"
    stores.aliases.set("xor", "canary", 1)

    with pytest.raises(Conflict, match="version 1 of xor has the aliases canary, champion, to be"):
        stores.versions.delete("xor", 1)

    stores.aliases.delete("xor", "canary")
    stores.aliases.delete("xor", "champion")
    stores.versions.delete("xor", 1)


def test_a_version_that_an_open_job_starts_from_is_not_deleted(
    stores: Stores, publish: Publish, dataset: Dataset
) -> None:
    first = publish("xor")
    other = publish("xor", seed=1)
    start = Start("xor", 1, first.sha256)
    job = stores.jobs.submit(replace(new_job(dataset), start=start), dataset, max_open=9)

    with pytest.raises(Conflict, match=f"the job {job.id} has not ended and starts from xor/1"):
        stores.versions.delete("xor", 1)
    stores.versions.delete("xor", other.number)
    stores.job_control.cancel(job.id)
    stores.versions.delete("xor", 1)


def test_a_job_does_not_start_from_a_version_that_was_deleted_while_its_rows_arrived(
    stores: Stores, publish: Publish, dataset: Dataset
) -> None:
    first = publish("xor")
    publish("xor", seed=1)
    stores.versions.delete("xor", 1)

    start = Start("xor", 1, first.sha256)
    with pytest.raises(NotFound, match="version 1 of xor was deleted; the newest version is 2") as caught:
        stores.jobs.submit(replace(new_job(dataset), start=start), dataset, max_open=9)
    assert caught.value.pointer == "start_from"


def test_the_job_of_a_deleted_version_stays(stores: Stores, publish: Publish) -> None:
    version = publish("xor")

    stores.versions.delete("xor", 1)

    assert stores.jobs.get(version.job).version == 1


def test_the_file_of_a_deleted_version_is_removed_after_the_grace(
    stores: Stores, publish: Publish, settings: Settings
) -> None:
    deleted, kept = publish("xor"), publish("xor", seed=1)
    stores.versions.delete("xor", 1)

    stores.artifacts.sweep()
    assert file_of(settings, deleted).exists()  # a process that does not know yet may still load it
    sweep_after_the_grace(stores)

    assert not file_of(settings, deleted).exists()
    assert file_of(settings, kept).exists()


def test_a_file_that_two_versions_share_stays_as_long_as_one_of_them(
    stores: Stores, publish: Publish, settings: Settings
) -> None:
    first, second = publish("xor"), publish("other")
    assert first.sha256 == second.sha256

    stores.versions.delete("xor", 1)
    sweep_after_the_grace(stores)
    assert stores.artifacts.load_model(first.sha256)

    stores.versions.delete("other", 1)
    sweep_after_the_grace(stores)
    assert not file_of(settings, first).exists()


def test_a_deleted_version_that_is_published_again_has_its_file(
    stores: Stores, publish: Publish, settings: Settings
) -> None:
    publish("xor")
    stores.versions.delete("xor", 1)

    again = publish("xor")
    sweep_after_the_grace(stores)

    assert again.number == 2
    assert file_of(settings, again).exists()


def test_what_was_deleted_is_not_deleted_again(stores: Stores, publish: Publish) -> None:
    for seed in range(2):
        publish("xor", seed=seed)
    stores.versions.delete("xor", 2)

    for number, words in ((2, "version 2 of xor was deleted; the newest version is 1"), (9, "no version or alias '9'")):
        with pytest.raises(VersionNotFound, match=words):
            stores.versions.delete("xor", number)
    with pytest.raises(ModelNotFound):
        stores.versions.delete("nothing", 1)
