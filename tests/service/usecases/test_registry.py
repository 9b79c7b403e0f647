"""Which version a name means: from memory, and never behind what a caller has seen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from helpers.waiting import wait_until
from layerwise_service.domain.models import Version
from layerwise_service.errors import Conflict, Unavailable
from layerwise_service.stores.version_store import ModelNotFound, VersionNotFound, VersionStore
from layerwise_service.usecases.registry import VersionResolver
from layerwise_service.wiring import Stores

Publish = Callable[..., Version]


@pytest.fixture
def resolver(stores: Stores) -> Iterator[VersionResolver]:
    """One that never looks by itself during a test."""
    opened = VersionResolver(stores.versions, refresh_seconds=1000)
    yield opened
    opened.close()


def test_new_versions_are_found_after_an_unexpected_error(stores: Stores, publish: Publish) -> None:
    class Failing(VersionStore):
        broken = False

        def revision(self) -> int:
            if self.broken:
                self.broken = False
                raise KeyError("no error that anybody expected")
            return super().revision()

    versions = Failing(stores.database)
    with closing(VersionResolver(versions, refresh_seconds=0.01)) as resolver:
        versions.broken = True
        wait_until(lambda: not versions.broken)

        publish("new")

        wait_until(lambda: "new" in resolver.models)


def test_a_version_is_known_as_soon_as_it_is_asked_for(resolver: VersionResolver, publish: Publish) -> None:
    version = publish("new")

    assert resolver.resolve("new", 1).artifact == version.sha256


def test_what_another_thread_has_just_learnt_is_not_called_missing(
    resolver: VersionResolver, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh = resolver.refresh

    def behind_another() -> None:
        refresh()  # the other thread's
        refresh()  # ours finds nothing new

    monkeypatch.setattr(resolver, "refresh", behind_another)
    publish("new")

    assert resolver.resolve("new", None).version == 1


@pytest.mark.parametrize(
    ("model", "version", "error", "words"),
    [
        ("x", None, ModelNotFound, "there is no model 'x'; the models are tickets, trees"),
        ("Ticket", None, ModelNotFound, "the models are tickets, trees; did you mean tickets?"),
        (
            "trees",
            9,
            VersionNotFound,
            "trees has no version or alias '9'; the newest version is 1, the aliases are champion",
        ),
        ("tickets", "9", VersionNotFound, "tickets has no version or alias '9'; the newest version is 1"),
        ("trees", "champions", VersionNotFound, "; did you mean champion?"),
        ("trees", "１", VersionNotFound, "no version"),
        ("trees", -1, VersionNotFound, "no version"),
        (None, None, Conflict, "there are 2 models: name one"),
    ],
)
def test_what_does_not_exist_is_named_with_what_does(
    resolver: VersionResolver,
    publish: Publish,
    stores: Stores,
    model: str | None,
    version: str | int | None,
    error: type[Exception],
    words: str,
) -> None:
    publish("trees")
    publish("tickets")
    stores.aliases.set("trees", "champion", 1)

    with pytest.raises(error) as caught:
        resolver.resolve(model, version)
    assert words in str(caught.value)
    if model is not None:
        with pytest.raises(error) as stored:
            stores.versions.find(model, str(version or ""))
        assert str(stored.value) == str(caught.value)


def test_a_version_that_was_deleted_is_not_found_and_the_error_says_so(
    resolver: VersionResolver, publish: Publish, stores: Stores
) -> None:
    for seed in range(3):
        publish("xor", seed=seed)
    resolver.refresh()
    stores.versions.delete("xor", 1)
    stores.versions.delete("xor", 3)
    resolver.refresh()

    for number in (1, 3):
        with pytest.raises(VersionNotFound, match=f"version {number} of xor was deleted; the newest version is 2"):
            resolver.resolve("xor", number)
        with pytest.raises(VersionNotFound, match=f"version {number} of xor was deleted; the newest version is 2"):
            stores.versions.find("xor", str(number))
    assert resolver.resolve("xor", None).version == 2
    stores.versions.delete("xor", 2)
    resolver.refresh()
    with pytest.raises(ModelNotFound):
        resolver.resolve("xor", 2)


def test_while_the_store_is_away_what_is_known_is_served(
    resolver: VersionResolver, publish: Publish, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("known")
    resolver.refresh()

    def away() -> int:
        raise Unavailable("the database does not answer")

    monkeypatch.setattr(stores.versions, "revision", away)

    assert resolver.resolve("known", None).version == 1
    with pytest.raises(Unavailable):
        resolver.resolve("unknown", None)


def test_the_thread_learns_of_versions_by_itself(stores: Stores, publish: Publish) -> None:
    resolver = VersionResolver(stores.versions, refresh_seconds=0.01)
    publish("new")
    seen = threading.Event()

    for _ in range(500):
        if "new" in resolver.models:
            seen.set()
            break
        threading.Event().wait(0.01)
    resolver.close()

    assert seen.is_set()
