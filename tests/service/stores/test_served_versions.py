"""Serving processes read only what has changed."""

from __future__ import annotations

from collections.abc import Callable

from layerwise_service.domain.models import Version
from layerwise_service.wiring import Stores

Publish = Callable[..., Version]


def test_only_the_models_that_changed_since_a_revision_are_read(stores: Stores, publish: Publish) -> None:
    for name in ("trees", "tickets", "gone"):
        publish(name)
    revision, models = stores.versions.served()
    assert set(models) == {"trees", "tickets", "gone"}

    second = publish("trees", seed=1)
    stores.aliases.set("tickets", "champion", 1)
    stores.versions.delete("gone", 1)
    newer, changed = stores.versions.served(since=revision)

    assert newer > revision
    assert set(changed) == {"trees", "tickets", "gone"}
    trees, tickets = changed["trees"], changed["tickets"]
    assert trees is not None
    assert (trees.latest, trees.artifacts[2]) == (2, second.sha256)
    assert tickets is not None
    assert tickets.aliases == {"champion": 1}
    assert changed["gone"] is None

    publish("tickets", seed=2)
    assert set(stores.versions.served(since=newer)[1]) == {"tickets"}
    newest = stores.versions.revision()
    assert stores.versions.served(since=newest) == (newest, {})
