"""Linear regression in context as data: sequences drawn as LinearRegression-v0 draws them, and the two estimators that a
predictor is held against. Learning: ridge regression, the best there is for weights it never saw. Location: discrete MMSE,
the best there is for weights out of a known set."""

from mesasim.regression.estimators import (
    discrete_mmse,
    mean_difference,
    ridge,
    squared_errors,
)
from mesasim.regression.generation import Regressions, generate, task_set

__all__ = [
    "Regressions", "discrete_mmse", "generate", "mean_difference", "ridge", "squared_errors", "task_set",
]  # fmt: skip
