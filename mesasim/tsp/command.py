"""`mesasim solve FILE…`: its signature is its flags, its docstring its help."""

# No `from __future__ import annotations`: tyro reads the annotations.
import time
from pathlib import Path
from typing import Annotated, Any

import tyro
from matplotlib.figure import Figure
from torch import Tensor

from mesasim.devices import check_device
from mesasim.integrity import write_whole
from mesasim.output import console, output
from mesasim.progress import counter, print_table
from mesasim.tsp.solving import METHOD_NAMES
from mesasim.tsp.solving import solve as solve_tours
from mesasim.tsp.tour_files import write_tour
from mesasim.tsp.tsplib import TsplibInstance, read_tsplib


def solve(
    files: Annotated[tuple[Path, ...], tyro.conf.Positional], method: str = "auto", plot: Path | None = None,
    out: Path | None = None, node_limit: int | None = None, time_limit: float | None = None,
    num_threads: int | None = None, device: str = "cpu",
) -> None:  # fmt: skip
    """Shortest tours, proved, of instances in TSPLIB files; --json gives the tours themselves, as the files' node numbers.

    Args:
        files: .tsp files, of 3 to 256 nodes: EUC_2D, CEIL_2D, GEO, ATT or EXPLICIT.
        method: auto, held_karp (up to 16 nodes), branch_and_bound or branch_and_cut.
        plot: a picture of the tour (.png, .pdf, .svg); with one file.
        out: a TSPLIB tour file; with one file.
        node_limit: nodes of the search tree; beyond it the best tour so far and a bound. Default: until proved.
        time_limit: seconds a file; likewise.
        num_threads: CPU threads; default: every core.
        device: cpu or cuda[:i], where there is no branch_and_cut and no time_limit.
    """
    for name, path in (("plot", plot), ("out", out)):
        if path is not None and len(files) != 1:
            raise ValueError(f"{name}: got {len(files)} files, allowed: with one")
    if not files:
        raise ValueError("files: got none, allowed: one or more .tsp files")
    on = check_device(device)
    instances = [read_tsplib(path) for path in files]
    if plot is not None:
        _check_plot(plot, instances[0], files[0])
    rows: list[dict[str, Any]] = []
    done = counter("solve", len(files))
    for path, instance in zip(files, instances, strict=True):
        begun = time.perf_counter()
        tours = solve_tours(
            instance.distances.to(on),
            method,
            node_limit=node_limit,
            time_limit=time_limit,
            num_threads=num_threads,
            device=on,
        )
        order = tours.order[0].long().cpu()  # waits for a GPU
        took = time.perf_counter() - begun
        rows.append(
            {
                "file": str(path), "name": instance.name or path.stem, "n": len(order), "length": int(tours.length),
                "lower_bound": int(tours.lower_bound), "optimal": bool(tours.optimal), "nodes": int(tours.nodes),
                "one_trees": int(tours.one_trees), "cuts": int(tours.cuts), "method": METHOD_NAMES[int(tours.method)],
                "ms": 1000 * took, "tour": instance.nodes[order].tolist(),
            }
        )  # fmt: skip
        if output.json:  # at once, not at the end
            output.result(rows[-1], print)
        if out is not None:
            write_tour(out, order, rows[-1]["name"], f"length {rows[-1]['length']}", nodes=instance.nodes)
        if plot is not None:
            _draw(plot, instance, order, rows[-1])
        done(rows[-1]["name"])
    if not output.json:
        output.result(rows, lambda: _print(rows, [path for path in (out, plot) if path is not None]))


def _print(rows: list[dict[str, Any]], written: list[Path]) -> None:
    cells = [
        (
            row["name"], row["n"], f"{row['length']:,}", f"{row['lower_bound']:,}", "proved" if row["optimal"] else "no",
            f"{row['nodes']:,}", f"{row['ms']:,.1f}",
        )
        for row in rows
    ]  # fmt: skip
    print_table("Tours", ("name", "n", "length", "bound", "optimal", "nodes", "ms"), cells)
    for path in written:
        console.print(f"Written: {path}", soft_wrap=True, highlight=False)


def _check_plot(plot: Path, instance: TsplibInstance, file: Path) -> None:
    """Before anything is solved for it."""
    allowed = Figure().canvas.get_supported_filetypes()
    if plot.suffix.removeprefix(".") not in allowed:
        raise ValueError(f"plot: got {str(plot)!r}, allowed: a file that ends in .{', .'.join(sorted(allowed))}")
    if instance.display is None:
        raise ValueError(
            f"plot: {file} says where no node is, allowed: with NODE_COORD_SECTION or DISPLAY_DATA_SECTION"
        )


def _draw(plot: Path, instance: TsplibInstance, order: Tensor, row: dict[str, Any]) -> None:
    assert instance.display is not None
    places = instance.display[[*order.tolist(), int(order[0])]]
    if instance.edge_weight_type == "GEO":
        places = places.flip(1)  # latitude comes first: north is up
    x, y = places.T.tolist()
    wide, high = (float(span) for span in places.amax(0) - places.amin(0))
    figure = Figure(figsize=(6, min(9.0, max(3.0, 0.5 + 6 * high / max(wide, 1e-300)))), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(x, y, "-", color="0.35", linewidth=1)
    axes.plot(x, y, "o", color="tab:blue", markersize=3)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_axis_off()
    known = "optimal" if row["optimal"] else f"at least {row['lower_bound']:,}"
    axes.set_title(f"{row['name']}: {row['n']} nodes, length {row['length']:,} ({known})")
    write_whole(plot, lambda temporary: figure.savefig(temporary, format=plot.suffix[1:], dpi=150))
