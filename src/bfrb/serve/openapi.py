"""The OpenAPI document of the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bfrb import __version__
from bfrb.read.bodies import ARROW, CSV, JSON, PARQUET
from bfrb.read.demographics import MEASURES
from bfrb.serve.multipart import FORM

_REFUSALS = {
    "408": "The request did not arrive in time.",
    "413": "The body is too large.",
    "415": "The body is of an unknown type.",
    "422": "The body cannot be read, or is no possible recording.",
    "503": "Too many requests at a time, or one that took too long; ask again.",
}


def describe(classes: Sequence[str]) -> dict[str, Any]:
    """The document of a server that tells some classes apart."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "bfrb", "version": __version__, "summary": "Gestures from recordings of a wrist-worn device"},
        "paths": {
            "/predict": {"post": _predict()},
            "/health": {"get": _get("Whether the server answers.", {"status": {"const": "ok"}})},
            "/model": {"get": _get("What the model is.", {"label_set": {"type": "object"}})},
            "/metrics": {"get": {"responses": {"200": _text("Counts and times, in Prometheus' format.")}}},
            "/openapi.json": {"get": _get("This document.", {})},
        },
        "components": {"schemas": {"Prediction": _prediction(classes), "Problem": _problem(), "Rows": _rows()}},
    }


def _predict() -> dict[str, Any]:
    binary = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
    answers = {"predictions": {"type": "array", "items": _ref("Prediction")}, "simulated": {"type": "boolean"}}
    refusals = {
        status: _content(text, _ref("Problem"), "application/problem+json") for status, text in _REFUSALS.items()
    }
    return {
        "summary": "The gesture of every recording, with probabilities.",
        "parameters": [
            {"name": name, "in": "query", "description": "Of the only subject.", "schema": {"type": "number"}}
            for name in MEASURES
        ],
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": _ref("Rows")},
                CSV: {"schema": {"type": "string"}},
                PARQUET: binary,
                ARROW: binary,
                FORM: {
                    "schema": {"type": "object", "required": ["rows"], "properties": {"rows": {}, "demographics": {}}}
                },
            },
        },
        "responses": {"200": _content("Answers, in the order of the recordings.", _object(answers))} | refusals,
    }


def _rows() -> dict[str, Any]:
    rows = {"type": "array", "items": {"type": "object"}}
    columns = {"type": "object", "additionalProperties": {"type": "array"}}
    table = {"oneOf": [rows, columns]}
    return {
        "description": "Rows in the CMI layout, as a list of objects or as an object of lists.",
        "type": "object",
        "required": ["rows"],
        "properties": {"rows": table, "demographics": table},
    }


def _prediction(classes: Sequence[str]) -> dict[str, Any]:
    number = {"type": "number", "minimum": 0, "maximum": 1}
    return _object(
        {
            "id": {"type": "string"},
            "gesture": {"enum": list(classes)},
            "confidence": number,
            "target_probability": number,
            "probabilities": {"type": "object", "additionalProperties": number},
        }
    )


def _problem() -> dict[str, Any]:
    text = {"type": "string"}
    return _object({"title": text, "status": {"type": "integer"}, "detail": text, "remedy": text})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _get(description: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"responses": {"200": _content(description, _object(properties))}}


def _content(description: str, schema: dict[str, Any], media_type: str = JSON) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _text(description: str) -> dict[str, Any]:
    return _content(description, {"type": "string"}, "text/plain")


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
