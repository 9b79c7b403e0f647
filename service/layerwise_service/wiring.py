"""Chooses the implementations, and builds each process from them."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from layerwise_service.process.gathering import Reporter
from layerwise_service.process.ports import Share
from layerwise_service.settings import Settings
from layerwise_service.stores.alias_store import AliasStore
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.stores.database import Database
from layerwise_service.stores.database_url import read_database_url
from layerwise_service.stores.dataset_store import DatasetStore
from layerwise_service.stores.files import tighten_home
from layerwise_service.stores.identity import open_together
from layerwise_service.stores.job_control import JobControl
from layerwise_service.stores.job_store import JobStore
from layerwise_service.stores.leases import Leases
from layerwise_service.stores.pending import PendingArtifacts
from layerwise_service.stores.uploads import Uploads
from layerwise_service.stores.version_store import VersionStore
from layerwise_service.usecases.aliases import Aliases
from layerwise_service.usecases.dataset_jobs import DatasetJobs
from layerwise_service.usecases.datasets import Datasets
from layerwise_service.usecases.evaluations import Evaluations
from layerwise_service.usecases.file_prediction import FilePredictor
from layerwise_service.usecases.loaded_models import LoadedModels
from layerwise_service.usecases.model_files import ModelFiles
from layerwise_service.usecases.oip.facade import Oip
from layerwise_service.usecases.oip.inference import Inference
from layerwise_service.usecases.oip.metadata import Metadata
from layerwise_service.usecases.oip.repository import Repository
from layerwise_service.usecases.oip.statistics import Statistics
from layerwise_service.usecases.prediction import VersionPredictor
from layerwise_service.usecases.preloading import Preloading
from layerwise_service.usecases.profiles import Profiles
from layerwise_service.usecases.readiness import Readiness
from layerwise_service.usecases.registry import Registry, VersionResolver
from layerwise_service.usecases.training import TrainingJobs

if TYPE_CHECKING:  # a process loads its own face alone
    from flask import Flask

    from layerwise_service.rpc.server import RpcServer
    from layerwise_service.worker.worker import Worker


@dataclass(frozen=True, slots=True)
class Stores:
    """The open stores of a process."""

    database: Database
    jobs: JobStore
    job_control: JobControl
    versions: VersionStore
    aliases: AliasStore
    leases: Leases
    artifacts: ArtifactStore
    datasets: DatasetStore
    uploads: Uploads

    def sweep(self) -> None:
        """Remove the files that nobody will use any more."""
        self.datasets.sweep()
        self.artifacts.sweep()
        self.artifacts.checkpoints.sweep(self.jobs.checkpoints)
        self.uploads.sweep()

    def close(self) -> None:
        """Close the connections to the database and release this process's lock on its files."""
        self.artifacts.close()
        self.database.close()


def open_stores(settings: Settings, *, adopt: bool = False) -> Stores:
    """Open the stores; create or migrate them if necessary. Raises `DatabaseUnusable`.

    With `adopt` the database and the folder of the artefacts belong together from now on.
    """
    tighten_home(settings.home_path)
    root = settings.home_path / "artifacts"
    url = read_database_url(settings.database_url, settings.home_path)
    database, identity = open_together(url, root, adopt=adopt)
    leases = Leases(database, lease_seconds=settings.lease_seconds, max_losses=settings.max_lost_workers)
    artifacts = ArtifactStore(
        root, PendingArtifacts(database), check=identity.check, check_models=identity.check_models
    )
    uploads = Uploads(root / "uploads", grace_seconds=settings.upload_grace_seconds)
    datasets = DatasetStore(database, transient_seconds=settings.upload_grace_seconds)
    jobs, control = JobStore(database), JobControl(database)
    versions, aliases = VersionStore(database), AliasStore(database)
    return Stores(database, jobs, control, versions, aliases, leases, artifacts, datasets, uploads)


def build_rest(settings: Settings, reporter: Reporter | None = None) -> Flask:
    """Return the REST application; `reporter` has the totals for /metrics, by default those of this process.

    Its extension "close" stops the background loops and closes the stores.
    """
    from layerwise_service.rest.app import create_app  # noqa: PLC0415
    from layerwise_service.rest.health import HealthChecks  # noqa: PLC0415

    stores = open_stores(settings)
    resolver, predictor, close = _serving(stores, settings, settings.rest_processes)
    registry = Registry(stores.versions, stores.jobs)
    datasets = Datasets(stores.datasets, stores.uploads, stores.artifacts, predictor.formats, settings)
    readiness = Readiness(stores.database, stores.artifacts, predict=resolver.check)
    training = TrainingJobs(stores.jobs, stores.job_control, stores.versions, stores.artifacts, settings)
    profiles = Profiles(stores.datasets, stores.artifacts, settings)
    reporter = reporter or Reporter(None)
    app = create_app(
        predictor=predictor,
        file_predictor=FilePredictor(predictor, registry, datasets, stores.artifacts),
        registry=registry,
        aliases=Aliases(stores.aliases, stores.versions, stores.artifacts, changed=resolver.refresh),
        training=training,
        model_files=ModelFiles(stores.versions, stores.uploads, stores.artifacts, settings),
        datasets=datasets,
        dataset_jobs=DatasetJobs(stores.datasets, stores.artifacts, training, profiles),
        profiles=profiles,
        health=HealthChecks(
            stores.jobs,
            resolver,
            readiness,
            worker_silent_seconds=settings.worker_silent_seconds,
            loops=(resolver.loop,),
            reporter=reporter,
        ),
        oip=build_oip(stores, resolver, predictor, readiness, reporter),
        settings=settings,
    )
    app.extensions["close"] = close
    return app


def build_rpc(settings: Settings, reporter: Reporter | None = None, share: Share | None = None) -> RpcServer:
    """Return the gRPC server; to be called in the event loop that runs it.

    `reporter` has the totals for statistics, by default those of this process. With a `share`, other processes answer
    at the same port.
    """
    from layerwise_service.rpc.server import RpcServer  # noqa: PLC0415

    stores = open_stores(settings)
    resolver, predictor, close = _serving(stores, settings, share.count if share else 1)
    training = TrainingJobs(stores.jobs, stores.job_control, stores.versions, stores.artifacts, settings)
    registry = Registry(stores.versions, stores.jobs)
    datasets = Datasets(stores.datasets, stores.uploads, stores.artifacts, predictor.formats, settings)
    file_predictor = FilePredictor(predictor, registry, datasets, stores.artifacts)
    profiles = Profiles(stores.datasets, stores.artifacts, settings)
    readiness = Readiness(stores.database, stores.artifacts, predict=resolver.check)
    return RpcServer(
        training=training,
        model_files=ModelFiles(stores.versions, stores.uploads, stores.artifacts, settings),
        datasets=datasets,
        profiles=profiles,
        dataset_jobs=DatasetJobs(stores.datasets, stores.artifacts, training, profiles),
        registry=registry,
        aliases=Aliases(stores.aliases, stores.versions, stores.artifacts, changed=resolver.refresh),
        predictor=predictor,
        file_predictor=file_predictor,
        evaluations=Evaluations(file_predictor, registry),
        oip=build_oip(stores, resolver, predictor, readiness, reporter or Reporter(None)),
        sweep=stores.sweep,
        readiness=readiness,
        loops=(resolver.loop,),
        close=close,
        share=share,
        settings=settings,
    )


def build_worker(settings: Settings, worker: str) -> Worker:
    """Return a worker with the id `worker`."""
    from layerwise_service.worker.worker import Worker  # noqa: PLC0415

    stores = open_stores(settings)
    return Worker(
        worker,
        leases=stores.leases,
        jobs=stores.jobs,
        artifacts=stores.artifacts,
        threads=settings.effective_worker_threads,
        checkpoint_seconds=settings.checkpoint_seconds,
        resumable_jobs=settings.resumable_jobs,
        close=stores.close,
    )


def new_worker_id() -> str:
    """Return a unique id for a worker, with the name of its host."""
    return f"{socket.gethostname()[:32]}-{os.getpid()}-{uuid.uuid4().hex[:12]}"


def build_oip(
    stores: Stores, resolver: VersionResolver, predictor: VersionPredictor, readiness: Readiness, reporter: Reporter
) -> Oip:
    """Return the use-cases of the Open Inference Protocol."""
    inference = Inference(predictor)
    return Oip(
        inference,
        Metadata(inference, resolver, readiness),
        Repository(resolver, predictor, stores.versions),
        Statistics(resolver, reporter),
    )


def _serving(
    stores: Stores, settings: Settings, processes: int
) -> tuple[VersionResolver, VersionPredictor, Callable[[], None]]:
    """Return the objects that answer predictions in one of so many processes, and what closes them and the stores."""
    models = LoadedModels(stores.artifacts, max_bytes=settings.model_cache_bytes)
    resolver = VersionResolver(stores.versions, refresh_seconds=settings.refresh_seconds, preloading=Preloading(models))
    predictor = VersionPredictor(
        resolver,
        models,
        max_rows=settings.max_predict_rows,
        max_values=settings.max_predict_values,
        slots=max(1, (os.cpu_count() or 1) // processes),
    )

    def close() -> None:
        resolver.close()
        stores.close()

    return resolver, predictor, close
