"""The published networks in Keras, with random weights, and folders like those that the notebook writes.

Import this only where Keras is installed: it chooses PyTorch as Keras's backend.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

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
    regularizer = keras.regularizers.L2(1e-4)
    x = layers.Conv1D(filters, kernel, padding="same", use_bias=False, kernel_regularizer=regularizer)(x)
    return layers.Activation("relu")(layers.BatchNormalization()(x))


def residual_se_cnn_block(x: Any, filters: int, kernel: int) -> Any:
    shortcut = layers.Conv1D(filters, 1, padding="same", use_bias=False)(x)
    shortcut = layers.BatchNormalization()(shortcut)
    x = se_block(conv_block(conv_block(x, filters, kernel), filters, kernel))
    x = layers.Activation("relu")(layers.add([x, shortcut]))
    return layers.Dropout(0.1)(layers.MaxPooling1D(2)(x))


def attention_layer(x: Any) -> Any:
    score = layers.Lambda(squeeze_last_axis)(layers.Dense(1, activation="tanh")(x))
    weights = layers.Lambda(expand_last_axis)(layers.Activation("softmax")(score))
    return layers.Lambda(time_sum)(layers.Multiply()([x, weights]))


def build(
    rows: int = 40,
    imu_dim: int = len(SENSOR_NAMES),
    tof_dim: int = len(PROXIMITY_NAMES),
    *,
    gated: bool = False,
    **options: Any,
) -> Any:
    """One of the two networks; `units=128` is the published size.

    Further options: `seed` of the weights; `twist`, a function that changes what both branches together see; the class
    of one `dropout`.
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
    merged = options.get("twist", lambda x: x)(layers.Concatenate()([deep, light]))
    lstm = layers.Bidirectional(layers.LSTM(units, return_sequences=True))(merged)
    gru = layers.GRU(units, return_sequences=True)
    noisy = layers.Dense(16, activation="elu")(layers.GaussianNoise(0.09)(merged))
    x = layers.Concatenate()([lstm, layers.Bidirectional(gru)(merged), noisy])
    x = attention_layer(options.get("dropout", layers.Dropout)(0.4)(x))
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


def make_folder(
    folder: Path, models: dict[str, Any], features: np.ndarray, *, rows: int = 40, columns: Sequence[str] = COLUMNS
) -> Path:
    """A folder as the notebook leaves it; `features` (N, C) fit the scaler."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "feature_cols.npy", np.array(columns, dtype=object))
    np.save(folder / "sequence_maxlen.npy", rows)
    np.save(folder / "gesture_classes.npy", np.array(sorted(CMI_GESTURES.classes), dtype=object))
    joblib.dump(StandardScaler().fit(features), folder / "scaler.pkl")
    for name, model in models.items():
        model.save(folder / name)
    return folder
