"""Versions are loaded before names lead to them, as far as memory goes, and what cannot be loaded is passed over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from layerwise import MLP
from layerwise_service.domain.models import Version
from layerwise_service.errors import DataLoss, Unavailable
from layerwise_service.settings import Settings
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.usecases import registry
from layerwise_service.usecases.loaded_models import LoadedModels
from layerwise_service.usecases.oip.repository import Repository
from layerwise_service.usecases.preloading import Preloading
from layerwise_service.usecases.registry import VersionResolver
from layerwise_service.wiring import Stores

Publish = Callable[..., Version]
MIB = 2**20


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The artefacts whose files have been read."""
    found: list[str] = []
    load = ArtifactStore.load_model

    def noted(store: ArtifactStore, sha256: str) -> MLP:
        found.append(sha256)
        return load(store, sha256)

    monkeypatch.setattr(ArtifactStore, "load_model", noted)
    return found


def new_resolver(stores: Stores, *, max_bytes: int = MIB) -> VersionResolver:
    """One that never looks by itself during a test."""
    models = LoadedModels(stores.artifacts, max_bytes=max_bytes)
    return VersionResolver(stores.versions, refresh_seconds=1000, preloading=Preloading(models))


@pytest.fixture
def resolver(stores: Stores) -> Iterator[VersionResolver]:
    with closing(new_resolver(stores)) as opened:
        yield opened


def file_of(settings: Settings, version: Version) -> Path:
    return settings.home_path / "artifacts" / "models" / f"{version.sha256}.npz"


def damage(settings: Settings, version: Version) -> bytes:
    """Damage the file of a version, and return what it was."""
    path = file_of(settings, version)
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    return whole


def test_at_the_start_the_versions_to_which_names_lead_are_loaded_those_of_aliases_first(
    stores: Stores, publish: Publish, loaded: list[str]
) -> None:
    versions = [publish("trees", seed=seed) for seed in range(3)]
    other = publish("tickets", seed=5)
    stores.aliases.set("trees", "champion", 2)

    with closing(new_resolver(stores)):
        assert loaded == [versions[1].sha256, versions[2].sha256, other.sha256]


def test_a_new_version_is_loaded_before_names_lead_to_it_and_found_by_its_number_at_once(
    resolver: VersionResolver, publish: Publish, loaded: list[str]
) -> None:
    first = publish("trees", seed=1)
    resolver.refresh()
    second = publish("trees", seed=2)
    assert resolver.resolve("trees", None).version == 1

    resolver.refresh()

    assert resolver.resolve("trees", None).version == 2
    assert loaded == [first.sha256, second.sha256]
    publish("trees", seed=3)
    assert resolver.resolve("trees", 3).version == 3


def test_the_old_version_stays_while_the_new_one_cannot_be_loaded_and_which_is_said(
    stores: Stores,
    resolver: VersionResolver,
    settings: Settings,
    publish: Publish,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publish("trees", seed=1)
    resolver.refresh()
    whole = damage(settings, new := publish("trees", seed=2))
    resolver.refresh()

    assert resolver.resolve("trees", None).version == 1
    assert resolver.resolve("trees", 2).artifact == new.sha256
    assert list(resolver.unusable) == ["trees"]
    assert resolver.unusable["trees"].startswith(f"version 2 cannot be loaded: the file of model {new.sha256}")
    resolver.check()
    index = Repository(resolver, cast(Any, None), stores.versions).index()
    assert [(each["state"], each["reason"]) for each in index] == [
        ("READY", ""),
        ("UNAVAILABLE", resolver.unusable["trees"]),
    ]

    file_of(settings, new).write_bytes(whole)
    monkeypatch.setattr(registry, "_RETRY_SECONDS", 0.0)
    monkeypatch.setattr(resolver, "_retry_at", 0.0)
    resolver.refresh()
    assert (resolver.resolve("trees", None).version, dict(resolver.unusable)) == (2, {})


def test_after_a_start_too_the_newest_version_that_can_be_loaded_is_the_latest(
    stores: Stores, settings: Settings, publish: Publish
) -> None:
    versions = [publish("trees", seed=seed) for seed in range(3)]
    for version in versions[1:]:
        damage(settings, version)

    with closing(new_resolver(stores)) as resolver:
        assert resolver.resolve("trees", None).version == 1
        assert "version 3 cannot be loaded" in resolver.unusable["trees"]


def test_nothing_can_be_served_if_no_version_of_any_model_can_be_loaded(
    stores: Stores, settings: Settings, publish: Publish, resolver: VersionResolver
) -> None:
    resolver.check()  # without models there is nothing to complain about
    damage(settings, publish("trees"))
    resolver.refresh()

    with pytest.raises(Unavailable, match="no model can be served; version 1 of trees: the file of model"):
        resolver.check()

    publish("tickets", seed=7)
    resolver.refresh()
    resolver.check()
    assert set(resolver.unusable) == {"trees"}
    stores.versions.delete("trees", 1)
    resolver.refresh()
    assert dict(resolver.unusable) == {}


def test_versions_are_loaded_in_advance_while_there_is_room_and_where_they_take_the_place_of_one_that_is_loaded(
    stores: Stores, publish: Publish, loaded: list[str]
) -> None:
    for number in range(6):
        publish(f"model-{number}", seed=number)
    size = 0
    with closing(new_resolver(stores)):
        size = len(loaded)
    assert size == 6
    loaded.clear()

    one_byte = LoadedModels(stores.artifacts, max_bytes=1)
    preloading = Preloading(one_byte)
    with closing(VersionResolver(stores.versions, refresh_seconds=1000, preloading=preloading)) as resolver:
        assert len(loaded) == 1  # of the six
        (name,) = (name for name, model in resolver.models.items() if model.artifacts[1] == loaded[0])
        newer, unused = publish(name, seed=10), publish("model-5" if name != "model-5" else "model-4", seed=11)
        resolver.refresh()
        assert newer.sha256 in loaded
        assert unused.sha256 not in loaded
        assert resolver.resolve(unused.model, None).version == 2


def test_loading_in_advance_ends_when_its_time_is_over(stores: Stores, publish: Publish, loaded: list[str]) -> None:
    publish("trees")
    _, stored = stores.versions.served()
    preloading = Preloading(LoadedModels(stores.artifacts, max_bytes=MIB))

    assert preloading.prepare(stored, {}, seconds=-1.0) == stored
    assert loaded == []


def test_an_alias_of_a_version_that_cannot_be_loaded_is_no_obstacle_for_others(
    stores: Stores, settings: Settings, publish: Publish, resolver: VersionResolver
) -> None:
    old, _ = publish("trees", seed=1), publish("trees", seed=2)
    stores.aliases.set("trees", "champion", 1)
    damage(settings, old)
    resolver.refresh()

    assert resolver.resolve("trees", None).version == 2
    with pytest.raises(DataLoss):
        stores.artifacts.load_model(resolver.resolve("trees", "champion").artifact)
