"""Metrics of predictions: functions of actual and predicted labels, scores or values."""

from layerwise.metrics.calibration import Reliability, brier_score, expected_calibration_error, log_loss, reliability
from layerwise.metrics.classification import accuracy, balanced_accuracy, confusion_matrix
from layerwise.metrics.curves import PrecisionRecallCurve, RocCurve, precision_recall_curve, roc_curve
from layerwise.metrics.deviance import mean_gamma_deviance, mean_poisson_deviance, mean_tweedie_deviance
from layerwise.metrics.explained import explained_variance, r2
from layerwise.metrics.label_counts import ClassScores
from layerwise.metrics.precision_recall import class_scores, f1, precision, recall
from layerwise.metrics.ranking import average_precision, roc_auc, top_k_accuracy
from layerwise.metrics.regression import (
    RegressionScores,
    max_error,
    mean_absolute_error,
    mean_squared_error,
    median_absolute_error,
    quantile_loss,
    regression_scores,
    root_mean_squared_error,
)

__all__ = [
    "ClassScores",
    "PrecisionRecallCurve",
    "RegressionScores",
    "Reliability",
    "RocCurve",
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "brier_score",
    "class_scores",
    "confusion_matrix",
    "expected_calibration_error",
    "explained_variance",
    "f1",
    "log_loss",
    "max_error",
    "mean_absolute_error",
    "mean_gamma_deviance",
    "mean_poisson_deviance",
    "mean_squared_error",
    "mean_tweedie_deviance",
    "median_absolute_error",
    "precision",
    "precision_recall_curve",
    "quantile_loss",
    "r2",
    "recall",
    "regression_scores",
    "reliability",
    "roc_auc",
    "roc_curve",
    "root_mean_squared_error",
    "top_k_accuracy",
]
