"""POST /predict."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response

from layerwise_service.prediction import Predictor
from layerwise_service.rest.bodies import read_json
from layerwise_service.rest.responses import json_response


class PredictRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Rows of numbers; the model may be left out when there is exactly one, the version means latest."""

    instances: list[list[float]]
    model: str | None = None
    version: str | int | None = None


def predict_routes(predictor: Predictor) -> Blueprint:
    """The route over its use-case."""
    routes = Blueprint("predict", __name__)
    decoder = msgspec.json.Decoder(PredictRequest)

    @routes.post("/predict")
    def predict() -> Response:  # pyright: ignore[reportUnusedFunction]
        body = read_json(decoder)
        found = predictor.predict(body.instances, model=body.model, version=body.version)
        predictions = found.predictions.tolist() if found.is_classifier else found.predictions
        answer: dict[str, object] = {"model": found.model, "version": found.version, "predictions": predictions}
        if found.probabilities is not None:
            answer["probabilities"] = found.probabilities
        return json_response(answer)

    return routes
