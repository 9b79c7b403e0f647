"""Which models have changed: serving processes read only these."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from layerwise_service.domain.models import ServedModel
from layerwise_service.stores.schema import (
    aliases,
    changed_models,
    deleted_versions,
    registry,
    unloaded_models,
    versions,
)


def count_change(connection: Connection, model: str) -> None:
    """Count a change to versions or aliases of a model. Others that change any wait until this transaction ends."""
    connection.execute(sa.update(registry).values(revision=registry.c.revision + 1))
    now_at = {"revision": sa.select(registry.c.revision).scalar_subquery()}
    this = changed_models.c.model == model
    if connection.execute(sa.update(changed_models).where(this).values(now_at)).rowcount == 0:
        connection.execute(sa.insert(changed_models).values(model=model, **now_at))


def read_served(connection: Connection, *, since: int | None = None) -> dict[str, ServedModel | None]:
    """Return the facts that predicting needs of every model, or of those changed `since` a revision.

    A model that has no version any more is None.
    """
    changed = sa.select(changed_models.c.model).where(changed_models.c.revision > (since or 0))

    def rows(*columns: sa.Column[Any]) -> Any:
        query = sa.select(*columns)
        return connection.execute(query if since is None else query.where(columns[0].in_(changed)))

    artifacts: dict[str, dict[int, str]] = {}
    for model, number, sha256 in rows(versions.c.model, versions.c.number, versions.c.sha256):
        artifacts.setdefault(model, {})[number] = sha256
    pointing: dict[str, dict[str, int]] = {}
    for model, alias, number in rows(aliases.c.model, aliases.c.alias, aliases.c.number):
        pointing.setdefault(model, {})[alias] = number
    deleted: dict[str, list[int]] = {}
    for model, number in rows(deleted_versions.c.model, deleted_versions.c.number):
        deleted.setdefault(model, []).append(number)
    unloaded = {model for (model,) in rows(unloaded_models.c.model)}
    found: dict[str, ServedModel | None] = {} if since is None else dict.fromkeys(connection.scalars(changed))
    for name, numbers in artifacts.items():
        names = pointing.get(name, {})
        found[name] = ServedModel(name, max(numbers), names, numbers, deleted.get(name, ()), name in unloaded)
    return found
