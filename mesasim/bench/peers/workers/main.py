"""python main.py LIBRARY THREADS, in the library's own environment: serves its benchmarks over a pipe (protocol.py). Imports
nothing of mesasim, except that "mesasim" is the library."""

import importlib
import sys

import protocol


def main(library, threads):
    protocol.restrict(threads)

    def prepare(work):
        module = importlib.import_module("ours" if library == "mesasim" else work["kind"])  # a file a kind of work
        return getattr(module, library.replace("-", "_"))(work, threads)

    protocol.serve(prepare)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
