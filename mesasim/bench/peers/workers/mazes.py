"""Peers' mazes: a function a peer from a work {"algorithm": …, "mode": generate or solve, "size": …} to a protocol.Work whose
units are mazes. Imports nothing of mesasim."""

import contextlib

from protocol import Work


def maze_dataset(work, threads):
    """maze-dataset: generate; solve = generate and a shortest path between opposite corners."""
    from maze_dataset.generation import LatticeMazeGenerators as Generators

    names = {
        "depth_first": Generators.gen_dfs, "wilson": Generators.gen_wilson, "kruskal": Generators.gen_kruskal,
        "prim_cell": Generators.gen_prim, "recursive_division": Generators.gen_recursive_division,
        "percolation": lambda shape: Generators.gen_percolation(shape, p=0.6),
        "depth_first_percolation": lambda shape: Generators.gen_dfs_percolation(shape, p=0.1),
    }  # fmt: skip
    size, solve = work["size"], work["mode"] == "solve"

    def once():
        maze = names[work["algorithm"]]((size, size))
        if solve:
            with contextlib.suppress(ValueError):  # its way to say that there is none
                maze.find_shortest_path((0, 0), (size - 1, size - 1))
        return 1

    return _work(once, threads)


def mazelib(work, threads):
    """mazelib: generate; solve = generate and ShortestPath between opposite corners."""
    import importlib

    from mazelib import Maze
    from mazelib.solve.ShortestPath import ShortestPath

    modules = {
        "depth_first": "BacktrackingGenerator", "wilson": "Wilsons", "kruskal": "Kruskal", "prim_cell": "Prims",
        "aldous_broder": "AldousBroder", "hunt_and_kill": "HuntAndKill", "binary_tree": "BinaryTree",
        "sidewinder": "Sidewinder", "eller": "Ellers", "recursive_division": "Division", "growing_tree": "GrowingTree",
    }  # fmt: skip
    module = modules[work["algorithm"]]
    generator = getattr(importlib.import_module(f"mazelib.generate.{module}"), module)
    size, solve = work["size"], work["mode"] == "solve"

    def once():
        maze = Maze()
        maze.generator = generator(size, size)
        maze.generate()
        if solve:
            maze.start, maze.end = (1, 1), (2 * size - 1, 2 * size - 1)
            maze.solver = ShortestPath()
            maze.solve()
        return 1

    return _work(once, threads)


def _work(once, threads):
    once()
    return Work(once, processes=threads)
