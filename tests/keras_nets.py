"""The published networks in Keras, with random weights, and folders like those that the notebook writes.

Import this only where Keras is installed: it chooses PyTorch as Keras's backend.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import h5py
import joblib
import keras
import numpy as np
from keras import layers, ops
from sklearn.preprocessing import StandardScaler

from bfrb.study.labels import CMI_GESTURES

SENSOR_NAMES = (
    *("acc_x", "acc_y", "acc_z", "rot_w", "rot_x", "rot_y", "rot_z"),
    *("acc_mag", "rot_angle", "acc_mag_jerk", "rot_angle_vel"),
    *("linear_acc_x", "linear_acc_y", "linear_acc_z", "linear_acc_mag", "linear_acc_mag_jerk"),
    *("angular_vel_x", "angular_vel_y", "angular_vel_z", "angular_distance"),
)
PROXIMITY_NAMES = tuple(
    name
    for site in range(1, 6)
    for name in (f"thm_{site}", *(f"tof_{site}_{kind}" for kind in ("mean", "std", "min", "max")))
)
COLUMNS = SENSOR_NAMES + PROXIMITY_NAMES


def time_sum(x: Any) -> Any:
    return ops.sum(x, axis=1)


def squeeze_last_axis(x: Any) -> Any:
    return ops.squeeze(x, axis=-1)


def expand_last_axis(x: Any) -> Any:
    return ops.expand_dims(x, axis=-1)


def se_block(x: Any, reduction: int = 8) -> Any:
    channels = x.shape[-1]
    weight = layers.GlobalAveragePooling1D()(x)
    weight = layers.Dense(channels // reduction, activation="relu")(weight)
    weight = layers.Dense(channels, activation="sigmoid")(weight)
    return layers.Multiply()([x, layers.Reshape((1, channels))(weight)])


def conv_block(x: Any, filters: int, kernel: int) -> Any:
    x = layers.Conv1D(filters, kernel, padding="same", use_bias=False)(x)
    return layers.Activation("relu")(layers.BatchNormalization()(x))


def residual_se_cnn_block(x: Any, filters: int, kernel: int) -> Any:
    shortcut = layers.Conv1D(filters, 1, padding="same", use_bias=False)(x)
    shortcut = layers.BatchNormalization()(shortcut)
    x = se_block(conv_block(conv_block(x, filters, kernel), filters, kernel))
    x = layers.Activation("relu")(layers.add([x, shortcut]))
    return layers.Dropout(0.1)(layers.MaxPooling1D(2)(x))


def attention_layer(x: Any, *, nameless: bool) -> Any:
    squeeze = (lambda t: ops.squeeze(t, axis=-1)) if nameless else squeeze_last_axis
    expand = (lambda t: ops.expand_dims(t, axis=-1)) if nameless else expand_last_axis
    summed = (lambda t: ops.sum(t, axis=1)) if nameless else time_sum
    score = layers.Lambda(squeeze)(layers.Dense(1, activation="tanh")(x))
    weights = layers.Lambda(expand)(layers.Activation("softmax")(score))
    return layers.Lambda(summed)(layers.Multiply()([x, weights]))


def build(
    rows: int = 40,
    imu_dim: int = len(SENSOR_NAMES),
    tof_dim: int = len(PROXIMITY_NAMES),
    *,
    gated: bool = False,
    **options: Any,
) -> Any:
    """One of the two networks; `units=128` is the published size.

    Further options: `reset_after` of the GRU, `nameless` Lambdas, `seed` of the weights.
    """
    units = options.get("units", 32)
    inputs = layers.Input((rows, imu_dim + tof_dim))
    imu = layers.Lambda(lambda t: t[:, :, :imu_dim])(inputs)
    tof = layers.Lambda(lambda t: t[:, :, imu_dim:])(inputs)
    deep = residual_se_cnn_block(residual_se_cnn_block(imu, units // 2, 3), units, 5)
    light = tof
    for filters in (units // 2, units):
        light = layers.Dropout(0.2)(layers.MaxPooling1D(2)(conv_block(light, filters, 3)))
    if gated:
        gate = layers.Dense(16, activation="relu")(layers.GlobalAveragePooling1D()(tof))
        gate = layers.Dense(1, activation="sigmoid", name="tof_gate")(gate)
        light = layers.Multiply()([light, gate])
    merged = layers.Concatenate()([deep, light])
    lstm = layers.Bidirectional(layers.LSTM(units, return_sequences=True))(merged)
    gru = layers.GRU(units, return_sequences=True, reset_after=options.get("reset_after", True))
    noisy = layers.Dense(16, activation="elu")(layers.GaussianNoise(0.09)(merged))
    x = layers.Concatenate()([lstm, layers.Bidirectional(gru)(merged), noisy])
    x = attention_layer(layers.Dropout(0.4)(x), nameless=options.get("nameless", False))
    for width in (2 * units, units):
        x = layers.BatchNormalization()(layers.Dense(width, use_bias=False)(x))
        x = layers.Dropout(0.3)(layers.Activation("relu")(x))
    answer = layers.Dense(len(CMI_GESTURES), activation="softmax", name="main_output")(x)
    model = keras.Model(inputs, [answer, gate] if gated else answer)
    return randomise(model, np.random.default_rng(options.get("seed", 0)))


def randomise(model: Any, rng: np.random.Generator) -> Any:
    """Random weights everywhere: biases and batch statistics too, which Keras starts at 0 and 1."""
    for layer in model.layers:
        found = []
        for variable, values in zip(layer.weights, layer.get_weights(), strict=True):
            spread = 1.0 / np.sqrt(max(1, np.prod(values.shape[:-1])))
            if "gamma" in variable.path or "variance" in variable.path:
                found.append(rng.uniform(0.5, 1.5, values.shape))
            else:
                found.append(rng.normal(0, 2 * spread if values.ndim > 1 else 0.3, values.shape))
        layer.set_weights(found)
    return model


def make_folder(folder: Path, models: dict[str, Any], features: np.ndarray, *, rows: int = 40) -> Path:
    """A folder as the notebook leaves it; `features` (N, C) fit the scaler."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "feature_cols.npy", np.array(COLUMNS, dtype=object))
    np.save(folder / "sequence_maxlen.npy", rows)
    np.save(folder / "gesture_classes.npy", np.array(sorted(CMI_GESTURES.classes), dtype=object))
    joblib.dump(StandardScaler().fit(features), folder / "scaler.pkl")
    for name, model in models.items():
        model.save(folder / name)
    return folder


def as_keras_2(path: Path) -> None:
    """Rewrite a `.h5` file of Keras 3 in the form that Keras 2 gave it."""
    with h5py.File(path, "r+") as file:
        model = json.loads(file.attrs["model_config"])
        for layer in model["config"]["layers"]:
            _describe_as_keras_2(layer)
        model["config"]["output_layers"] = [model["config"]["output_layers"]]
        file.attrs["model_config"] = json.dumps(model)
        for group in file["model_weights"].values():
            names = [str(name) for name in group.attrs["weight_names"]]
            for name in names:
                group.move(name, f"{name}:0")
            group.attrs["weight_names"] = np.array([f"{name}:0".encode() for name in names], dtype="S")


def _describe_as_keras_2(layer: dict[str, Any]) -> None:
    config = layer["config"]
    if layer["class_name"] == "InputLayer":
        config["batch_input_shape"] = config.pop("batch_shape")
    if layer["class_name"] == "Lambda":
        function = config["function"]
        nameless = function["class_name"] == "__lambda__"
        found = function["config"]
        config["function"] = [found["code"], None, found["closure"]] if nameless else found
        config["function_type"] = "lambda" if nameless else "function"
    for node in layer["inbound_nodes"]:
        tensors = node["args"][0] if isinstance(node["args"][0], list) else node["args"]
        layer["inbound_nodes"] = [[[*tensor["config"]["keras_history"], {}] for tensor in tensors]]
