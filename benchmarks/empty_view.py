"""An empty Flask view: it reads the body and answers a constant, as long as an answer of POST /predict."""

from flask import Flask, Response, request

ANSWER = b'{"model":"bench","version":1,"predictions":["no"],"probabilities":[[0.51234567,0.48765433]]'
ANSWER += b',"classes":["no","yes"]}'

app = Flask("empty")


@app.post("/predict")
def predict() -> Response:
    request.get_data()
    return Response(ANSWER, mimetype="application/json")
