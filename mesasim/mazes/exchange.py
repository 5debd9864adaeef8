"""To and from maze-dataset's mazes, where it is installed. It does not import with a muutils newer than 0.8.12."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mesasim.mazes.batch import Mazes
    from mesasim.mazes.solving import Solutions


def _library() -> Any:
    try:
        import maze_dataset
    except ImportError as error:
        raise ImportError(
            f"maze-dataset is not installed, or does not import ({error}); pip install maze-dataset 'muutils==0.8.12'"
        ) from error
    return maze_dataset


def to_lattice_mazes(mazes: Mazes, solutions: Solutions | None = None) -> list[Any]:
    """maze_dataset.LatticeMaze a maze, or SolvedMaze where solutions are given."""
    library = _library()
    connections = mazes.connections.cpu().numpy()
    if solutions is None:
        return [library.LatticeMaze(connection_list=c) for c in connections]
    return [
        library.SolvedMaze(connection_list=c, solution=solutions.path(i).cpu().numpy())
        for i, c in enumerate(connections)
    ]


def from_lattice_mazes(lattice_mazes: list[Any]) -> Mazes:
    """Mazes of one size from maze_dataset's."""
    from mesasim.mazes.batch import Mazes

    shapes = {tuple(maze.connection_list.shape) for maze in lattice_mazes}
    if len(shapes) != 1:
        raise ValueError(f"lattice_mazes: got shapes {sorted(shapes)}, allowed: one or more mazes of one size")
    return Mazes.from_connections(np.stack([np.asarray(maze.connection_list, dtype=bool) for maze in lattice_mazes]))
