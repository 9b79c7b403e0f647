"""Versions of models for the service to serve, published without training a job."""

from __future__ import annotations

from typing import Any

from helpers.service_values import LIMITS, ROWS
from layerwise import MLP, Plan
from layerwise_service.domain.datasets import Batch
from layerwise_service.domain.jobs import NewJob, TableSource
from layerwise_service.settings import Settings
from layerwise_service.stores.leases import NewVersion
from layerwise_service.wiring import open_stores


def publish_classifier(
    settings: Settings, name: str, network: MLP, plan: Plan, source: TableSource | None = None
) -> None:
    """Publish `network`, which tells "no" from "yes" in the rows of a table, as a version of the model `name`."""
    assert network.encoder is not None
    publish(settings, name, network, plan, labels=("no", "yes"), source=source)


def publish(
    settings: Settings,
    name: str,
    network: MLP,
    plan: Plan,
    *,
    labels: tuple[Any, ...] | None,
    source: TableSource | None = None,
) -> None:
    """Publish `network` as a version of the model `name`; `labels` None is a regression."""
    stores = open_stores(settings)
    writer = stores.artifacts.new_dataset(classes=None, **LIMITS)
    writer.add(Batch(ROWS, ["no", "yes", "yes", "no"]))
    dataset = writer.finish()
    stores.artifacts.keep(writer, dataset)
    sha256, size = stores.artifacts.keep_model(network)
    new = NewJob(
        model=name,
        architecture=dict(network.architecture.to_json()),
        plan=dict(plan.to_json()),
        dataset=dataset.sha256,
        metric="accuracy",
        fingerprint="f",
        preprocessing=network.encoder and network.encoder.to_json(),
        source=source,
    )
    stores.jobs.submit(new, dataset, max_open=10)
    claim = stores.leases.claim("w")
    assert claim is not None
    stores.leases.publish(claim, NewVersion(sha256, size, dict(network.metrics), 1, labels))
    stores.close()
