"""Peers' tours: a function a peer from a work {"method": …, "points": [B, n, 2]} to a protocol.Work whose units are instances;
what is found is [which, order, proved] of each. Imports nothing of mesasim.

A method is a function from a distance matrix (floats, a list of lists) to a call: all before the call is preparation and is not
timed, what the call returns is the order and whether the peer proved it optimal."""

import itertools
import math

from protocol import Work

SCALE = 10**6  # of unit-square distances where the peer takes integers


def integers(matrix, scale=SCALE):
    return [[round(scale * d) for d in row] for row in matrix]


def fast_tsp(work, threads):
    """fast_tsp: its heuristic for two budgets, and its dynamic programme. Distances must stay below 65536."""
    import fast_tsp

    def heuristic(seconds):
        def prepare(matrix):
            whole = integers(matrix, 40_000)
            return lambda: (fast_tsp.find_tour(whole, duration_seconds=seconds), False)

        return prepare

    def exact(matrix):
        whole = integers(matrix, 40_000)
        return lambda: (fast_tsp.solve_tsp_exact(whole), True)

    methods = {"find_tour 1 ms": heuristic(0.001), "find_tour 10 ms": heuristic(0.01), "solve_tsp_exact": exact}
    return _work(methods, work, threads)


def elkai(work, threads):
    """elkai: LKH 3, by its number of runs."""
    import elkai

    def runs(count):
        def prepare(matrix):
            problem = elkai.DistanceMatrix(integers(matrix))
            return lambda: (problem.solve_tsp(runs=count)[:-1], False)

        return prepare

    return _work({"LKH, 1 run": runs(1), "LKH, 10 runs": runs(10)}, work, threads)


def python_tsp(work, threads):
    """python-tsp: dynamic programming, branch and bound, 2-opt and Lin–Kernighan."""
    import numpy as np
    from python_tsp import exact, heuristics

    def method(solve, proves):
        def prepare(matrix):
            array = np.array(matrix)
            return lambda: (solve(array)[0], proves)

        return prepare

    methods = {
        "dynamic programming": method(exact.solve_tsp_dynamic_programming, True),
        "branch and bound": method(exact.solve_tsp_branch_and_bound, True),
        "local search": method(heuristics.solve_tsp_local_search, False),
        "Lin–Kernighan": method(heuristics.solve_tsp_lin_kernighan, False),
    }
    return _work(methods, work, threads)


def ortools(work, threads):
    """OR-tools: its routing library (descent, guided local search for a second) and CP-SAT over AddCircuit."""
    from ortools.constraint_solver import pywrapcp, routing_enums_pb2
    from ortools.sat.python import cp_model

    def routing(guided_seconds):
        def prepare(matrix):
            whole = integers(matrix)

            def solve():
                manager = pywrapcp.RoutingIndexManager(len(whole), 1, 0)
                model = pywrapcp.RoutingModel(manager)
                model.SetArcCostEvaluatorOfAllVehicles(model.RegisterTransitMatrix(whole))
                search = pywrapcp.DefaultRoutingSearchParameters()
                search.first_solution_strategy = routing_enums_pb2.FirstSolutionStrategy.PATH_CHEAPEST_ARC
                if guided_seconds:
                    metaheuristics = routing_enums_pb2.LocalSearchMetaheuristic
                    search.local_search_metaheuristic = metaheuristics.GUIDED_LOCAL_SEARCH
                    search.time_limit.FromMilliseconds(round(1000 * guided_seconds))
                solution = model.SolveWithParameters(search)
                order, at = [], model.Start(0)
                while not model.IsEnd(at):
                    order.append(manager.IndexToNode(at))
                    at = solution.Value(model.NextVar(at))
                return order, False

            return solve

        return prepare

    def circuit(matrix):
        whole = integers(matrix)

        def solve():
            model = cp_model.CpModel()
            arcs = [(i, j, model.new_bool_var("")) for i, j in itertools.permutations(range(len(whole)), 2)]
            model.add_circuit(arcs)
            model.minimize(sum(whole[i][j] * taken for i, j, taken in arcs))
            solver = cp_model.CpSolver()
            solver.parameters.num_workers = threads
            status = solver.solve(model)
            after = {i: j for i, j, taken in arcs if solver.boolean_value(taken)}
            order = [0]
            while after[order[-1]] != 0:
                order.append(after[order[-1]])
            return order, status == cp_model.OPTIMAL

        return solve

    methods = {"routing, cheapest arc": routing(0), "routing, guided 1 s": routing(1), "CP-SAT AddCircuit": circuit}
    return _work(methods, work, threads, own_threads=work["method"] == "CP-SAT AddCircuit")


def pyvrp(work, threads):
    """PyVRP: one vehicle, hybrid search for half a second."""
    import numpy as np
    from pyvrp import Client, Depot, Location, ProblemData, VehicleType, solve
    from pyvrp.stop import MaxRuntime

    def prepare(matrix):
        whole = np.array(integers(matrix))
        places = [Location(0, 0) for _ in whole]  # the matrix counts, not these
        clients = [Client(i) for i in range(1, len(whole))]
        problem = ProblemData(places, clients, [Depot(0)], [VehicleType()], [whole], [np.zeros_like(whole)])

        def call():
            best = solve(problem, stop=MaxRuntime(0.5), collect_stats=False).best
            return [0, *(1 + visit.idx for visit in best.routes()[0] if visit.is_client())], False

        return call

    return _work({"0.5 s": prepare}, work, threads)


def highspy(work, threads):
    """HiGHS: degree rows, then violated subtour rows: of the LP, and once none is found there, of the MIP."""
    import highspy
    import numpy as np

    def components(n, edges):
        """Node → its component's name."""
        name = list(range(n))

        def find(i):
            while name[i] != i:
                name[i] = name[name[i]]
                i = name[i]
            return i

        for i, j in edges:
            name[find(i)] = find(j)
        return [find(i) for i in range(n)]

    def walk(n, edges):
        near = [[] for _ in range(n)]
        for i, j in edges:
            near[i].append(j)
            near[j].append(i)
        order, before = [0], None
        while len(order) < n:
            at = order[-1]
            order.append(near[at][1] if near[at][0] == before else near[at][0])
            before = at
        return order

    def prepare(matrix):
        n = len(matrix)
        pairs = list(itertools.combinations(range(n), 2))
        costs = np.array([matrix[i][j] for i, j in pairs])
        first, second = np.array(pairs).T

        def solve():
            model = highspy.Highs()
            for option, value in (("output_flag", False), ("threads", 1), ("mip_rel_gap", 0.0)):
                model.setOptionValue(option, value)
            none, empty = np.array([], dtype=np.int32), np.array([])
            model.addCols(len(pairs), costs, np.zeros(len(pairs)), np.ones(len(pairs)), 0, none, none, empty)

            def add(least, most, inside):
                edges = np.flatnonzero(inside).astype(np.int32)
                model.addRow(least, most, len(edges), edges, np.ones(len(edges)))

            for i in range(n):
                add(2.0, 2.0, (first == i) | (second == i))

            def add_violated(value, thresholds):
                """Subtour rows for components of the edges above each threshold that too little leaves."""
                sets = set()
                for threshold in thresholds:
                    name = np.array(components(n, [pairs[e] for e in np.flatnonzero(value > threshold)]))
                    sets |= {tuple(np.flatnonzero(name == one)) for one in np.unique(name)}
                found = False
                for nodes in sets:
                    member = np.isin(np.arange(n), nodes)
                    leaving = member[first] != member[second]
                    if len(nodes) < n and value[leaving].sum() < 2 - 1e-6:
                        add(2.0, highspy.kHighsInf, leaving)
                        found = True
                return found

            whole = False
            while True:
                model.run()
                value = np.array(model.getSolution().col_value)
                if add_violated(value, (0.5,) if whole else (1e-6, 0.25, 0.5, 0.75, 0.99)):
                    continue
                if whole or np.abs(value - value.round()).max() < 1e-6:
                    return walk(n, [pairs[e] for e in np.flatnonzero(value > 0.5)]), True
                whole = True
                kinds = np.full(len(pairs), 1, dtype=np.uint8)  # HighsVarType.kInteger
                model.changeColsIntegrality(len(pairs), np.arange(len(pairs), dtype=np.int32), kinds)

        return solve

    return _work({"lazy subtours": prepare}, work, threads)


def _work(methods, work, threads, own_threads=False):
    """Instances in turn, from the first after the last; what has no threads of its own runs in as many processes, each
    through all of them, and what the first finds is told."""
    prepare = methods[work["method"]]
    calls = []
    for points in work["points"]:
        matrix = len(points) == len(points[0])  # of three cities or more: two numbers are a point
        calls.append(prepare(points if matrix else [[math.dist(a, b) for b in points] for a in points]))
    at, found = [0], {}

    def once():
        which = at[0] % len(calls)
        order, proved = calls[which]()
        at[0] += 1
        found[which] = order, proved
        return 1

    def over(span):
        found.clear()

    def told():
        return [[which, [int(i) for i in order], proved] for which, (order, proved) in found.items()]

    once()  # loads and allocates
    return Work(once, processes=1 if own_threads else threads, over=over, found=told)
