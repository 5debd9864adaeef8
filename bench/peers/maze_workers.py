"""What a peer's own environment runs: makes mazes with the peer's library for a while when told to, over a pipe. Imports
nothing of mesasim."""

import contextlib
import json
import sys
import time


def maze_dataset():
    """maze-dataset: generate; solve = generate and a shortest path between opposite corners."""
    from maze_dataset.generation import LatticeMazeGenerators as Generators

    names = {
        "depth_first": Generators.gen_dfs, "wilson": Generators.gen_wilson, "kruskal": Generators.gen_kruskal,
        "prim_cell": Generators.gen_prim, "recursive_division": Generators.gen_recursive_division,
        "percolation": lambda shape: Generators.gen_percolation(shape, p=0.6),
        "depth_first_percolation": lambda shape: Generators.gen_dfs_percolation(shape, p=0.1),
    }  # fmt: skip

    def make(algorithm, mode, size):
        maze = names[algorithm]((size, size))
        if mode == "solve":
            with contextlib.suppress(ValueError):  # its way to say that there is none
                maze.find_shortest_path((0, 0), (size - 1, size - 1))

    return names, make


def mazelib():
    """mazelib: generate; solve = generate and ShortestPath between opposite corners."""
    import importlib

    from mazelib import Maze
    from mazelib.solve.ShortestPath import ShortestPath

    modules = {
        "depth_first": "BacktrackingGenerator", "wilson": "Wilsons", "kruskal": "Kruskal", "prim_cell": "Prims",
        "aldous_broder": "AldousBroder", "hunt_and_kill": "HuntAndKill", "binary_tree": "BinaryTree",
        "sidewinder": "Sidewinder", "eller": "Ellers", "recursive_division": "Division", "growing_tree": "GrowingTree",
    }  # fmt: skip
    names = {name: getattr(importlib.import_module(f"mazelib.generate.{m}"), m) for name, m in modules.items()}

    def make(algorithm, mode, size):
        maze = Maze()
        maze.generator = names[algorithm](size, size)
        maze.generate()
        if mode == "solve":
            maze.start, maze.end = (1, 1), (2 * size - 1, 2 * size - 1)
            maze.solver = ShortestPath()
            maze.solve()

    return names, make


def main():
    names, make = {"maze-dataset": maze_dataset, "mazelib": mazelib}[sys.argv[1]]()
    print(json.dumps(sorted(names)), flush=True)
    for line in sys.stdin:
        ask = json.loads(line)
        made, wall, cpu = 0, time.perf_counter(), time.process_time()
        try:
            while made == 0 or time.perf_counter() - wall < ask["seconds"]:
                make(ask["algorithm"], ask["mode"], ask["size"])
                made += 1
        except Exception as error:  # the peer's own: the table says so
            print(json.dumps({"error": f"{type(error).__name__}: {error}".splitlines()[0][:80]}), flush=True)
            continue
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(json.dumps({"wall": made / wall, "cpu": made / cpu}), flush=True)


if __name__ == "__main__":
    main()
