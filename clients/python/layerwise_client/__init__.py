"""Python SDK of a Layerwise service: `Client`, what it returns, and what it raises."""

from layerwise_client import datasets
from layerwise_client._data.table_rows import TableBlock
from layerwise_client.client import Client
from layerwise_client.column import Column
from layerwise_client.dataset import Dataset
from layerwise_client.dataset_column import DatasetColumn
from layerwise_client.errors import (
    Conflict,
    DeadlineExceeded,
    InvalidRequest,
    JobCancelled,
    JobFailed,
    LayerwiseError,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    ServiceFault,
    Unavailable,
    WaitTimeout,
)
from layerwise_client.evaluation import Difference, VersionEvaluation
from layerwise_client.job import Job
from layerwise_client.models import AliasMove, Model
from layerwise_client.prediction import PredictedRows, Prediction
from layerwise_client.profile import (
    ColumnProfile,
    DatasetFinding,
    DateSummary,
    LengthSummary,
    NumberSummary,
    Profile,
    TopValue,
)
from layerwise_client.progress import Progress
from layerwise_client.results import (
    ColumnCounts,
    Failure,
    Finding,
    LayerHealth,
    PoorModelWarning,
    Record,
    Snapshot,
    Summary,
    Transition,
)
from layerwise_client.source import Doubt, Source
from layerwise_client.transport import Signature, Transport
from layerwise_client.version import Version

__all__ = [
    "AliasMove",
    "Client",
    "Column",
    "ColumnCounts",
    "ColumnProfile",
    "Conflict",
    "Dataset",
    "DatasetColumn",
    "DatasetFinding",
    "DateSummary",
    "DeadlineExceeded",
    "Difference",
    "Doubt",
    "Failure",
    "Finding",
    "InvalidRequest",
    "Job",
    "JobCancelled",
    "JobFailed",
    "LayerHealth",
    "LayerwiseError",
    "LengthSummary",
    "Model",
    "NotFound",
    "NumberSummary",
    "PermissionDenied",
    "PoorModelWarning",
    "PredictedRows",
    "Prediction",
    "Profile",
    "Progress",
    "Record",
    "ResourceExhausted",
    "ServiceFault",
    "Signature",
    "Snapshot",
    "Source",
    "Summary",
    "TableBlock",
    "TopValue",
    "Transition",
    "Transport",
    "Unavailable",
    "Version",
    "VersionEvaluation",
    "WaitTimeout",
    "datasets",
]
