"""A slot's tiles, as the engine describes them, to text or pixels."""

from __future__ import annotations

import numpy as np

PIXELS_PER_TILE = 8


def frame(letters: str, rgb: np.ndarray, *, mode: str) -> str | np.ndarray:
    """`letters`: rows * cols characters; `rgb`: uint8 [rows, cols, 3]."""
    rows, cols = rgb.shape[:2]
    if mode == "ansi":
        return "\n".join(letters[row * cols : (row + 1) * cols] for row in range(rows)) + "\n"
    return np.repeat(np.repeat(rgb, PIXELS_PER_TILE, axis=0), PIXELS_PER_TILE, axis=1)
