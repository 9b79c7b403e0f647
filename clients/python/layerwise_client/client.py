"""The client of a Layerwise service: train and predict, list jobs and models."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from layerwise_client._data.encoder import open_encoder, spec_message
from layerwise_client._data.targets import labels_message
from layerwise_client._data.training_data import open_training_data
from layerwise_client._transport.connection import Connection, text, whole
from layerwise_client._transport.http import HttpTransport
from layerwise_client._transport.predict import Predicting
from layerwise_client._transport.rpc import GrpcTransport
from layerwise_client._transport.upload import submit
from layerwise_client._transport.wrong_port import check_target
from layerwise_client.errors import InvalidRequest
from layerwise_client.job import Job
from layerwise_client.models import Model, model_of, version_text
from layerwise_client.progress import Progress, display_of
from layerwise_client.results import STATES, snapshot_of, summary_of
from layerwise_proto.v1 import models_pb2, training_pb2, types_pb2

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from pandas import DataFrame, Series

    from layerwise_client._data.targets import Label
    from layerwise_client.prediction import Prediction
    from layerwise_client.transport import Transport

    TableLike = DataFrame | Mapping[str, Any] | Sequence[Mapping[str, Any]]

_PAGE = 100


class Client:
    """Client of one service.

    Nothing is connected before the first call. Many threads may use a client at once. A process that is forked after
    the first call may predict over `rest`; calls over gRPC raise `RuntimeError` there.

    Parameters
    ----------
    target : str
        Address of the training API, "host:port".
    rest : str, optional
        Address of the prediction endpoint, "http://host:port". Without it, predictions go over gRPC to `target`.
    timeout : float
        Seconds that a call may take. Only watching a job goes on as long as the job does.
    on_waiting : callable, optional
        Called with the address of a service that is not there, once a call, while the client tries again.
    transport : Transport, optional
        Carries predictions instead of `rest` and gRPC, such as a stand-in for the service in a test.

    Raises
    ------
    InvalidRequest
        If an argument is wrong.
    """

    def __init__(
        self,
        target: str = "127.0.0.1:50051",
        *,
        rest: str | None = None,
        timeout: float = 30.0,
        on_waiting: Callable[[str], None] | None = None,
        transport: Transport | None = None,
    ) -> None:
        if timeout <= 0:
            raise InvalidRequest(f"timeout: expected seconds above 0, got {timeout}", pointer="timeout")
        if rest and transport is not None:
            raise InvalidRequest("transport: expected either rest or transport, got both", pointer="transport")
        if rest:
            transport = HttpTransport(rest, timeout=timeout, on_waiting=on_waiting)
        check_target(text(target, "target"))
        self._connection = Connection(target, timeout=timeout, on_waiting=on_waiting)
        self._transport = transport or GrpcTransport(self._connection)
        self._predicting = Predicting(self._transport)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; jobs go on in the service."""
        self._connection.close()
        self._transport.close()

    def train(
        self,
        model: str,
        architecture: Mapping[str, Any],
        X: TableLike | ArrayLike,
        y: ArrayLike | Series | str,
        *,
        columns: Mapping[str, Any] | None = None,
        ignore: Iterable[str] = (),
        encoder: Mapping[str, Any] | None = None,
        plan: Mapping[str, Any] | None = None,
        weights: ArrayLike | Series | None = None,
        classes: Iterable[Label] | None = None,
        start_from: str | None = None,
        progress: bool | Progress = True,
        request_id: str | None = None,
    ) -> Job:
        """Train a network in the service; the result becomes a new version of `model`.

        Rows travel in blocks of 1 or 2 MB, read from X one after another.

        Parameters
        ----------
        model : str
            Name of the model.
        architecture : mapping
            The network in JSON form. {} stands for that of the version in `start_from`.
        X : array-like, sparse matrix or table
            Rows of numbers (n, features), sent as float32. Or a table: a DataFrame, a mapping of column names to
            values, or a list of mappings. Its columns hold numbers, texts, booleans or dates; None, NaN, NaT and NA
            are missing values.
        y : array-like or str
            Labels, (n,) integers, texts or booleans, or targets, (n,) or (n, outputs) floats. Or the name of the column
            of X that holds them. The loss of the plan says which they are; without a loss, their type does.
        columns : mapping, optional
            Encodings of columns by name: {"carrier": "one_hot", "distance": {"kind": "log"}}. Otherwise the service
            chooses them by the values.
        ignore : iterable of str
            Columns to leave out.
        encoder : mapping, optional
            All settings of the encoding in JSON form; `columns` and `ignore` are added to them.
        plan : mapping, optional
            How to train, in JSON form.
        weights : array-like, optional
            Weights (n,) of the rows in the loss, at least 0.
        classes : iterable, optional
            All labels that are allowed.
        start_from : str, optional
            Version whose weights the network starts with: "model" or "model/version", by number or alias.
        progress : bool or Progress
            True follows the job to its end, with a progress bar on a terminal or in a notebook; a display of your own
            is used likewise. False returns as soon as the service has stored the data.
        request_id : str, optional
            The same id with the same content gives the same job. By default each call is a job of its own.

        Returns
        -------
        Job
            The job; at its end, unless `progress` is False.

        Raises
        ------
        InvalidRequest
            If something cannot be trained on, with row and column; nothing is trained then.
        JobFailed, JobCancelled
            If the job ended so while it was followed.
        """
        display = display_of(progress)
        header = training_pb2.TrainHeader(
            model=text(model, "model"),
            architecture=spec_message(architecture, types_pb2.Architecture, "architecture"),
            plan=spec_message(plan or {}, types_pb2.Plan, "plan"),
            request_id=str(uuid.uuid4()) if request_id is None else text(request_id, "request_id"),
        )
        if start_from is not None:
            header.start_from.CopyFrom(_origin(start_from))
        if classes is not None:
            header.classes.CopyFrom(labels_message(classes, "classes"))
        chosen = open_encoder(encoder, columns, ignore)
        data = open_training_data(
            X,
            y,
            weights,
            encoder=chosen,
            loss=header.plan.loss.WhichOneof("kind"),
            fitted=start_from is not None,
        )
        if chosen.ByteSize():
            header.encoder.CopyFrom(chosen)
        header.rows = data.rows.count
        try:
            job = Job(self._connection, snapshot_of(submit(self._connection, header, data, display)))
            if progress is False:
                return job
            display.accepted(job.snapshot)
            job.follow(display)
        finally:
            display.closed()
        return job.wait()

    def predict(self, model: str | None, X: TableLike | ArrayLike, *, version: int | str | None = None) -> Prediction:
        """Predict the rows of X.

        Many rows go in several requests, all of them to the same version.

        Parameters
        ----------
        model : str or None
            Name of the model; None if the service has exactly one.
        X : array-like, sparse matrix or table
            Rows as `train` takes them. The columns of a table may have any order. A model that was trained on a table
            also takes rows without names, in the order of its columns.
        version : int or str, optional
            A number or an alias; by default the newest version.

        Returns
        -------
        Prediction
            A prediction for each row, and the version that made them.

        Raises
        ------
        InvalidRequest
            If the version does not take such rows, with row and column.
        NotFound
            If there is no such model or version.
        """
        name = "" if model is None else text(model, "model")
        which = version_text(version)
        answer = self._predicting.predict(name, which, X)
        newest = self._connection.published.get(answer.model, 0)
        if version is None and answer.version < newest:  # serving processes look for new versions every 0.2 s
            answer = self._predicting.predict(answer.model, str(newest), X)
        return answer

    def job(self, job_id: str) -> Job:
        """Return the job of this id. Raises `NotFound`."""
        request = training_pb2.GetJobRequest(job_id=text(job_id, "job_id"))
        return Job(self._connection, snapshot_of(self._connection.call(self._connection.training.GetJob, request)))

    def jobs(self, *, state: str | None = None, model: str | None = None, limit: int | None = None) -> Iterator[Job]:
        """Yield jobs, newest first, fetched as they are read: of one state ("RUNNING", …) or model, at most `limit`."""
        if state is not None and state not in STATES:
            raise InvalidRequest(f"state: expected one of {', '.join(STATES)}, got {state!r}", pointer="state")
        request = training_pb2.ListJobsRequest(
            model="" if model is None else text(model, "model"),
            state=training_pb2.JobState.Value(f"JOB_STATE_{state or 'UNSPECIFIED'}"),
        )
        return self._pages_of_jobs(request, limit)

    def models(self) -> list[Model]:
        """Return all models, sorted by name."""
        request = models_pb2.ListModelsRequest(page_size=_PAGE)
        models: list[Model] = []
        while True:
            page = self._connection.call(self._connection.models.ListModels, request)
            models += [model_of(self._connection, each) for each in page.models]
            request.page_token = page.next_page_token
            if not request.page_token:
                return models

    def model(self, name: str) -> Model:
        """Return the model of this name; its versions are fetched when they are read. Raises `NotFound`."""
        request = models_pb2.GetModelRequest(name=text(name, "name"))
        return model_of(self._connection, self._connection.call(self._connection.models.GetModel, request))

    def set_alias(self, model: str, alias: str, version: int) -> Model:
        """Let `alias` name a version, and return the model. "latest" always names the newest version."""
        request = models_pb2.SetAliasRequest(
            model=text(model, "model"), alias=text(alias, "alias"), version=whole(version, "version")
        )
        return model_of(self._connection, self._connection.call(self._connection.models.SetAlias, request))

    def __repr__(self) -> str:
        rest = f", rest={self._transport.address!r}" if isinstance(self._transport, HttpTransport) else ""
        return f"Client({self._connection.target!r}{rest})"

    def _pages_of_jobs(self, request: training_pb2.ListJobsRequest, limit: int | None) -> Iterator[Job]:
        left = sys.maxsize if limit is None else limit
        while left > 0:
            request.page_size = min(left, _PAGE)
            page = self._connection.call(self._connection.training.ListJobs, request)
            yield from (Job(self._connection, summary_of(each)) for each in page.jobs[:left])
            left -= len(page.jobs)
            request.page_token = page.next_page_token
            if not request.page_token:
                return


def _origin(start_from: object) -> training_pb2.StartFrom:
    model, slash, version = text(start_from, "start_from").partition("/")
    if not model or (slash and not version):
        detail = f"start_from: expected a model, or model/version, got {start_from!r}"
        raise InvalidRequest(detail, pointer="start_from")
    return training_pb2.StartFrom(model=model, version=version)
