"""TSPLIB95 instances and tours from strangers: what is read is a problem, and survives being written."""

import torch

from fuzz.targets.reading import Reading, as_file, changed, require
from mesasim import tsp

EXAMPLES = [
    b"NAME: a\nTYPE: TSP\nCOMMENT: c\nDIMENSION: 4\nEDGE_WEIGHT_TYPE: EUC_2D\nNODE_COORD_SECTION\n"
    b"1 0 0\n2 3.5 0\n3 3 4e0\n4 -1 4\nEOF\n",
    b"NAME: b\nTYPE: TSP\nDIMENSION: 3\nEDGE_WEIGHT_TYPE: GEO\nNODE_COORD_SECTION\n1 38.24 20.42\n2 39.57 26.15\n3 40.56 25.32\n",
    b"TYPE: TSP\nDIMENSION: 4\nEDGE_WEIGHT_TYPE: EXPLICIT\nEDGE_WEIGHT_FORMAT: UPPER_ROW\nDISPLAY_DATA_TYPE: TWOD_DISPLAY\n"
    b"EDGE_WEIGHT_SECTION\n1 2 3\n4 5\n6\nDISPLAY_DATA_SECTION\n1 0 0\n2 0 1\n3 1 0\n4 1 1\nEOF",
    b"TYPE: TSP\nDIMENSION: 3\nEDGE_WEIGHT_TYPE: EXPLICIT\nEDGE_WEIGHT_FORMAT: FULL_MATRIX\nEDGE_WEIGHT_SECTION\n"
    b"0 1 2 1 0 3 2 3 0\n",
    b"NAME : t\nTYPE : TOUR\nDIMENSION : 5\nTOUR_SECTION\n1\n4\n2\n5\n3\n-1\nEOF\n",
]


def one_input(data: bytes) -> None:
    reading = Reading(data)
    which = reading.byte()
    example = EXAMPLES[which // 4 % len(EXAMPLES)]
    path = as_file(reading.rest() if which % 4 == 0 else changed(example, reading))
    try:
        order = tsp.read_tour(path)
    except ValueError:
        pass
    else:
        require(sorted(order.tolist()) == list(range(len(order))), "a tour that is read is a permutation")
        again = path.with_name("again")
        tsp.write_tour(again, order, "again")
        require(torch.equal(tsp.read_tour(again), order), "a tour survives being written")
    try:
        instance = tsp.read_tsplib(path)
    except ValueError:
        return
    distances = instance.distances
    require(3 <= len(instance.nodes) == len(distances) <= 256, "an instance has 3 to 256 nodes")
    require(
        torch.equal(distances, distances.T) and bool((distances >= 0).all()), "distances are symmetric, none negative"
    )
    require(bool((distances <= 2**45).all()), "distances are bounded")
    if len(distances) <= 8:
        require(bool(tsp.solve(distances[None].double(), num_threads=1).optimal.all()), "what is read can be solved")
