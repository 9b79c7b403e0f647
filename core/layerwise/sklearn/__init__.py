"""Networks as scikit-learn estimators, for pipelines, searches and cross-validation. Needs the extra `sklearn`."""

try:
    from layerwise.sklearn.classifier import MLPClassifier
    from layerwise.sklearn.regressor import MLPRegressor
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("sklearn", "scipy"):
        raise
    raise ImportError("layerwise.sklearn needs scikit-learn: pip install 'layerwise[sklearn]'") from error

__all__ = ["MLPClassifier", "MLPRegressor"]
