"""The table of docs/curriculum.md: nodes and time of each family by size, on one thread. `python bench/curriculum.py`"""

import time

from mesasim import curriculum

COUNT, NODE_LIMIT = 1000, 1_000_000
CASES = [
    ("subset_sum", {}, (10, 15, 20)),
    ("subset_sum", {"density": 2.0}, (10, 20, 30, 40)),
    ("subset_sum", {"target": "half"}, (10, 15, 20)),
    ("knapsack", {}, (20, 50, 100)),
    ("knapsack", {"correlation": "weakly_correlated"}, (20, 50, 100)),
    ("knapsack", {"correlation": "strongly_correlated"}, (10, 20, 30)),
    ("satisfiability", {}, (20, 50, 100)),
    ("satisfiability", {"planted": True}, (20, 50, 100)),
    ("satisfiability", {"k": 4}, (20, 40)),
    ("colouring", {}, (10, 20, 30, 40)),
    ("colouring", {"density": 0.25, "colours": 4}, (20, 30, 40)),
    ("colouring", {"density": 0.25, "colours": 4, "planted": True}, (20, 30, 40)),
]


def main() -> None:
    print("| family | options | n | nodes: median | mean | 99 % | feasible | greed fails | µs an instance |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, options, sizes in CASES:
        family = curriculum.FAMILIES[name]
        for n in sizes:
            instances = family.generate(COUNT, n, seed=1, num_threads=1, **options)
            started = time.process_time()
            solved = family.solve(instances, node_limit=NODE_LIMIT, num_threads=1)
            took = time.process_time() - started
            greedy = family.greedy(instances, num_threads=1)
            fails = solved.feasible & (~greedy.feasible | (greedy.value != solved.value))
            if getattr(instances.size, "colours", 0):  # any colouring within the limit will do
                fails = solved.feasible & ~greedy.feasible
            nodes = solved.nodes.double()
            cut = f" ({float((~solved.optimal).double().mean()):.1%} cut)" if not solved.optimal.all() else ""
            shown = " ".join(f"{option}={value}" for option, value in options.items())
            print(
                f"| {name} | {shown} | {n} | {nodes.median():.0f} | {nodes.mean():.0f}{cut} | {nodes.quantile(0.99):.0f} "
                f"| {solved.feasible.double().mean():.0%} | {fails.double().mean():.0%} | {took / COUNT * 1e6:.1f} |"
            )


if __name__ == "__main__":
    main()
