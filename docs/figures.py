"""Draws the pictures of docs/mazes.md: every algorithm, every preset of the maze world. Run by `make docs`."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import mesasim
from mesasim import mazes
from mesasim.presets import PRESETS

FIGURES = Path(__file__).resolve().parent / "figures"
SIZE, SEED = 24, 4
OPTIONS = {"percolation": {"p": 0.55}, "depth_first_percolation": {"p": 0.1}}
BENT = {
    "depth_first, branching=.3": ("depth_first", {"branching": 0.3}),
    "depth_first, braid=1": ("depth_first", {"braid": 1.0}),
    "depth_first, max_tree_depth=20": ("depth_first", {"max_tree_depth": 20, "start_row": 12, "start_col": 12}),
    "growing_tree, newest=.9": ("growing_tree", {"newest": 0.9}),
}


def draw(axis, connections: np.ndarray, distance: np.ndarray) -> None:
    """Cells coloured by their distance to the middle; walls as lines."""
    rows, cols = distance.shape
    shown = np.where(distance < 0, np.nan, distance.astype(float))
    axis.imshow(shown, cmap="viridis", extent=(0, cols, rows, 0))
    down, right = connections
    walls = [((c, c + 1), (r + 1, r + 1)) for r, c in zip(*np.nonzero(~down), strict=True)]
    walls += [((c + 1, c + 1), (r, r + 1)) for r, c in zip(*np.nonzero(~right), strict=True)]
    for xs, ys in [*walls, ((0, cols), (0, 0)), ((0, 0), (0, rows))]:
        axis.plot(xs, ys, color="white", linewidth=1.1, solid_capstyle="round")
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_facecolor("0.35")
    for side in axis.spines.values():
        side.set_color("white")


def algorithms_figure() -> None:
    kinds = {name: (name, OPTIONS.get(name, {})) for name in mazes.algorithms()} | BENT
    columns = 6
    rows = -(-len(kinds) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(2.5 * columns, 2.75 * rows), layout="constrained")
    for axis in axes.flat:
        axis.axis("off")
    for axis, (title, (algorithm, options)) in zip(axes.flat, kinds.items(), strict=False):
        axis.axis("on")
        made = mazes.generate(1, SIZE, algorithm, seed=SEED, **options)
        distance = made.distances((SIZE // 2, SIZE // 2))[0].numpy()
        draw(axis, made.connections[0].numpy(), distance)
        axis.set_title(title, fontsize=9)
    figure.savefig(FIGURES / "maze_algorithms.png", dpi=110)


def presets_figure() -> None:
    figure, axes = plt.subplots(2, len(PRESETS), figsize=(2.9 * len(PRESETS), 6), layout="constrained", squeeze=False)
    for column, name in enumerate(PRESETS):
        env = mesasim.make_vec(name, 2, seed=SEED, render_mode="rgb_array")
        env.reset()
        for row, picture in enumerate(env.render()):
            axes[row, column].imshow(picture)
            axes[row, column].axis("off")
        axes[0, column].set_title(name, fontsize=9)
    figure.savefig(FIGURES / "maze_presets.png", dpi=110)


if __name__ == "__main__":
    FIGURES.mkdir(exist_ok=True)
    algorithms_figure()
    presets_figure()
