"""Sums over the pixels of time-of-flight images, as fast as the processor's cache allows."""

from __future__ import annotations

import numpy as np

from bfrb.arrays import Array, Floats

_BLOCK_ROWS = 1024  # the images of a block and what is made of them stay in the processor's cache


def image_sums(images: Array) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Five (N, S) arrays: pixels with an answer, their sum, their sum of squares, the least and the largest of them.

    `images`: (N, S, 8, 8) `int16` images. Distances are 0 to 255, the codes of pixels without an answer are negative.

    >>> image = np.full((1, 1, 8, 8), -1, dtype=np.int16)
    >>> image[0, 0, 0, :2] = 10, 14
    >>> [one.item() for one in image_sums(image)]
    [2.0, 24.0, 296.0, 10.0, 14.0]
    """
    rows, sites = images.shape[:2]
    flat = images.reshape(rows, sites, -1)
    sums = np.empty((5, rows, sites))
    for start in range(0, rows, _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        sums[:, block] = _block_sums(flat[block])
    count, total, squares, low, high = sums
    return count, total, squares, low, high


def _block_sums(images: Array) -> Array:
    """(5, n, S) Sums over (n, S, P) images; of an image without an answer the least and the largest mean nothing."""
    pixels = _pixels_first(images)
    distance = np.maximum(pixels, 0)
    # Whole numbers that fit their types: up to 64 pixels, their sum below 2^15, that of their squares below 2^24.
    count = _reduce(np.add, (pixels >= 0).view(np.int8))
    total = _reduce(np.add, distance)
    squares = _reduce(np.add, np.square(distance, dtype=np.float32))
    # Seen as unsigned, the negative codes are larger than any distance.
    low, high = _reduce(np.minimum, pixels.view(np.uint16)), _reduce(np.maximum, pixels)
    return np.stack([count, total, squares, low, high]).reshape(5, *images.shape[:2])


def _pixels_first(images: Array) -> Array:
    """(P / 4, 4 n S) The pixels of (n, S, P) images, four of each image side by side.

    NumPy reduces long rows many times faster than it reduces many short ones, and four pixels are moved as one word.
    """
    words = images.reshape(-1, images.shape[-1]).view(np.int64)
    return np.ascontiguousarray(words.T).view(images.dtype)


def _reduce(operation: np.ufunc, pixels: Array) -> Floats:
    """(M,) The operation over all pixels of each image, from (P / 4, 4 M), computed in the pixels' own type."""
    fours = operation.reduce(pixels, axis=0, dtype=pixels.dtype)
    pairs = operation(fours[0::2], fours[1::2])
    whole: Floats = operation(pairs[0::2], pairs[1::2]).astype(np.float64)
    return whole
