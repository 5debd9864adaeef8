"""The command line: mesasim list | run | train | evaluate | report | generate | solve | sweep | bench | sign | doctor. Each
command is a function here or in its package; its signature is its flags (--quiet and --json are added: command_line.py), its
docstring its help."""

# No `from __future__ import annotations`: tyro reads the annotations of commands made in a loop.
import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Annotated

import tyro

import mesasim
from mesasim import _core, baselines, command_line, sequences
from mesasim.agents import NETWORKS
from mesasim.bench.command import BENCHMARKS
from mesasim.devices import check_device, devices, missing_cuda
from mesasim.doctor import doctor
from mesasim.experiments import experiments, question
from mesasim.experiments.shared.settings import wants_quick
from mesasim.mazes import algorithms
from mesasim.mazes.command import mazes
from mesasim.output import console, output
from mesasim.presets import PRESETS
from mesasim.progress import bars, counter, print_table, training_bar
from mesasim.report import PAGE, write_report
from mesasim.results import below_optimum, summarize, write_summary, write_table
from mesasim.runs import provenance
from mesasim.sequences.dataset_command import sequences as sequence_sets
from mesasim.signature import signed
from mesasim.spec import load_spec, parse_options, world_id
from mesasim.sweep.command import SWEEPS, sweep
from mesasim.train import logs
from mesasim.train.checkpoint import latest_checkpoint
from mesasim.train.distributed import first_rank, launched
from mesasim.train.ppo import PPOConfig, load_agent
from mesasim.train.ppo import train as train_ppo
from mesasim.tsp import distributions
from mesasim.tsp.command import solve
from mesasim.tsp.dataset_command import tours
from mesasim.worlds_page import markdown as worlds_page
from mesasim.worlds_page import option_rows, world_rows

OptionTexts = Annotated[
    tyro.conf.UseAppendAction[tuple[str, ...]],
    tyro.conf.arg(name="option", aliases=["-o"], metavar="NAME=VALUE", help="an option of the world; may be repeated"),
]
GENERATORS: dict[str, Callable[..., None]] = {"mazes": mazes, "tours": tours, "sequences": sequence_sets}
SIGNATURES = Path("tests/golden/signatures.json")
Table = tuple[tuple[str, ...], list[tuple]]  # names of columns, rows
OPTION_HEAD = ("option", "type", "default", "allowed", "meaning")


def list_(world: Annotated[str | None, tyro.conf.Positional] = None, markdown: bool = False) -> None:
    """Worlds, agents, experiments and devices; with a world's id, its options, fields and actions; with "mazes", "tours"
    or "sequences", the algorithms, distributions or processes and their options.

    Args:
        world: a world's id, mazes, tours or sequences.
        markdown: every world's options and fields as the page docs/worlds.md.
    """
    if markdown:
        page = worlds_page()
        output.result({"page": page}, lambda: print(page, end=""))
        return
    if world in ("mazes", "tours"):
        known = algorithms() if world == "mazes" else distributions()

        def show() -> None:
            for name, (what, options) in known.items():
                print_table(f"\n{name}: {what}", OPTION_HEAD, option_rows(options))

        output.result({name: named(OPTION_HEAD, option_rows(o)) for name, (_, o) in known.items()}, show)
        return
    tables: dict[str, Table]
    if world == "sequences":
        tables = {
            "Processes": (("process", "what"), list(sequences.processes().items())),
            "Options": (OPTION_HEAD, option_rows(sequences.options())),
        }
    elif world is not None:
        spec = load_spec(world)
        tables = {
            f"{spec.id}: {spec.help}": (OPTION_HEAD, option_rows(spec.options)),
            "Fields": (("field", "kind", "dtype", "shape", "meaning"), world_rows(spec)),
            "Actions": (("index", "name"), list(enumerate(spec.actions))),
        }
    else:
        tables = everything()
    as_rows = {title: named(head, rows) for title, (head, rows) in tables.items()}

    def show_all() -> None:
        for title, (head, rows) in tables.items():
            print_table(title, head, rows)

    output.result(as_rows, show_all)


def named(head: tuple[str, ...], rows: list[tuple]) -> list[dict[str, object]]:
    """A table's rows by the names of its columns."""
    return [dict(zip(head, row, strict=True)) for row in rows]


def everything() -> dict[str, Table]:
    """The tables of `mesasim list`."""
    references: list[tuple] = []
    for with_agents in baselines.MODULES:
        for name, agent in baselines.of(with_agents).agents(with_agents).items():
            what = getattr(agent, "what", "")
            references.append((with_agents, name, agent.nature + (f": {what}" if what else "")))
    found: list[tuple] = list(devices().items())
    if missing_cuda():
        found.append(("(no cuda)", missing_cuda()))
    if _core.CUDA_ARCHITECTURES:
        found.append(("(cuda compiled for)", _core.CUDA_ARCHITECTURES))
    return {
        "Worlds": (("id", "what"), [(w, load_spec(w).help) for w in _core.world_ids()]),
        "Presets": (("id", "what"), [(name, preset.help) for name, preset in PRESETS.items()]),
        "Networks": (("kind", "what"), list(NETWORKS.items())),
        "Reference agents": (("world", "agent", "nature"), references),
        "Experiments": (("name", "question"), [(name, question(m)) for name, m in experiments().items()]),
        "Devices": (("device", "what"), found),
    }


def train(
    out: Path, option: OptionTexts = (), config: tyro.conf.OmitArgPrefixes[PPOConfig] = PPOConfig(),  # noqa: B008
    resume: bool = False, log: tuple[logs.SinkName, ...] = logs.DEFAULT,
) -> None:  # fmt: skip
    """Train one network on one world with recurrent PPO.

    `torchrun --nproc-per-node 2 -m mesasim train …` shares num_envs among two processes. An interrupt (Ctrl-C) or SIGTERM
    ends the iteration under way and saves a checkpoint first; a second Ctrl-C ends it at once.

    Args:
        out: folder of the run.
        resume: go on from the newest checkpoint there, to the same bits; on another number of processes, to rounding.
        log: where metrics go: metrics.csv, TensorBoard events, Weights & Biases; in the run's folder.
    """
    config.world, config.options = world_id(config.world), parse_options(config.world, option)
    last: dict[str, float] = {}
    with bars() as progress, logs.chosen(log):
        show = training_bar(progress, config.network.kind, config.iterations)

        def report(row: dict[str, float]) -> None:
            last.update(row)
            show(row)

        train_ppo(config, out, resume=resume, report=report)
    if not first_rank():
        return
    last = last or next(iter(logs.read_rows(out / logs.METRICS)[-1:]), {})  # of a run that had ended before
    made = {"run": out, "checkpoint": latest_checkpoint(out), "iterations": config.iterations, "last": last}
    text = f"Checkpoints and metrics are in {out}; next: mesasim evaluate {shlex.quote(str(out))}"
    output.result(made, lambda: output.say(text))


def evaluate(
    run: Annotated[Path, tyro.conf.Positional], tasks: int = 10000, seed: int = 1001, sample_actions: bool = False,
    device: str = "cpu",
) -> None:  # fmt: skip
    """Freeze a trained agent and evaluate it, beside the world's reference agents, on tasks it has not seen.

    Args:
        run: folder of a training run.
        tasks: unseen tasks, one episode each.
        seed: of the tasks; training at seed s never meets seed 1000 + s.
        sample_actions: draw actions from the policy instead of taking the likeliest.
        device: cpu or cuda[:i]; reference agents play on the CPU, where the tasks are the same.
    """
    check_device(device)
    agent, config = load_agent(run)
    setting = baselines.Setting(config.world, config.options, tasks, seed, config.num_threads, sample_actions, device)
    todo = [(config.network.kind, lambda: setting.evaluate(agent, config.network.kind, "trained"))]
    todo += list(baselines.references(setting))
    done, evaluations = counter("evaluate", len(todo)), []
    for name, make in todo:
        evaluations.append(make())
        done(name)
    scale = baselines.scale(setting, evaluations)
    rows = [summarize(e, scale.floor, scale.ceiling, trained=e.nature == "trained") for e in evaluations]
    below_optimum(rows, evaluations)
    command = ["mesasim", "evaluate", str(run), "--tasks", str(tasks), "--seed", str(seed)]
    command += ["--sample-actions"] * sample_actions + ["--device", device] * (device != "cpu")
    summary = {
        "experiment": f"evaluation of {run}", "question": "How does the trained agent do with its weights frozen?",
        "reading": scale.how + ".", "world": config.world, "options": config.options, "seed": seed,
        "command": shlex.join(command), "agents": rows, **provenance(),
    }  # fmt: skip
    write_table(run, evaluations)
    write_summary(run, summary)
    _give_summary(summary, write_report([run], run / PAGE))


def report(runs: Annotated[tuple[Path, ...], tyro.conf.Positional], out: Path | None = None) -> None:
    """Write the report of one or more evaluated runs again, as one page.

    Args:
        runs: run folders, each with a summary.json.
        out: the page; default: report.html in the first run's folder.
    """
    if not runs:
        raise ValueError("runs: got none, allowed: at least one run folder")
    page = write_report(list(runs), out or runs[0] / PAGE)
    output.result({"report": page}, lambda: _say_page(page))


def bench() -> None:
    """Measure speed. `mesasim bench --help` lists what can be measured."""
    raise ValueError(f"bench: got nothing to measure, allowed: {', '.join(BENCHMARKS)}")


def generate() -> None:
    """Write data sets. `mesasim generate --help` lists what can be made."""
    raise ValueError(f"generate: got nothing to make, allowed: {', '.join(GENERATORS)}")


def sign(file: Path = SIGNATURES, check: bool = False, device: str = "cpu", num_threads: int = 1) -> None:
    """Sign every world: a hash of fixed rollouts, which every build and device must reproduce.

    Args:
        file: where the signatures are kept.
        check: compare with the file instead of writing it; exit status 1 if they differ.
        device: cpu or cuda[:i].
        num_threads: CPU threads.
    """
    todo, found = signed(), {}
    done = counter("sign", len(todo))
    for name, signature in todo.items():
        found[name] = signature(device, num_threads)
        done(name)
    if not check:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found, indent=2) + "\n")
    kept = json.loads(file.read_text())

    def show() -> None:
        for world in sorted(found.keys() | kept.keys()):
            also = "" if found.get(world) == kept.get(world) else f"(kept: {kept.get(world)}) DIFFERS"
            console.print(f"{world} {found.get(world)} {also}", soft_wrap=True)

    differing = sorted(name for name in found.keys() | kept.keys() if found.get(name) != kept.get(name))
    output.result({"signatures": found, "differing": differing}, show)
    if differing:
        sys.exit(1)


def _experiment_command(name: str, module: ModuleType, quick: bool) -> Callable[..., None]:
    """`quick`: the flags' defaults are the quick form's, so that flags given beside --quick win over it."""
    config_type = module.Config
    defaults = config_type(quick=quick)

    def command(
        config: tyro.conf.OmitArgPrefixes[config_type] = defaults, out: Path = Path("runs") / name,  # type: ignore[valid-type]  # a type made in a loop
        resume: bool = False, overwrite: bool = False, log: tuple[logs.SinkName, ...] = logs.DEFAULT,
    ) -> None:  # fmt: skip
        if "csv" not in log:
            raise ValueError(f"log: got {log}, allowed: csv among them, which experiments read")
        with logs.chosen(log):
            summary = module.run(config, out, resume=resume, overwrite=overwrite)
        _give_summary(summary, Path(os.path.relpath(out / PAGE)))

    command.__doc__ = f"""{question(module)}

    Args:
        out: folder of the run.
        resume: go on with an interrupted run in that folder.
        overwrite: replace the run in that folder.
        log: where metrics of trainings go: metrics.csv, TensorBoard events, Weights & Biases; in the run's folders.
    """
    return command


def run(experiment: Annotated[str, tyro.conf.Positional]) -> None:
    """Run an experiment: train, freeze, evaluate, report. `mesasim run --help` lists the experiments.

    Args:
        experiment: its name.
    """
    raise ValueError(f"experiment: got {experiment!r}, allowed: {', '.join(experiments())}")


COMMANDS: dict[str, Callable[..., None]] = {
    "list": list_, "run": run, "train": train, "evaluate": evaluate, "report": report, "generate": generate, "solve": solve,
    "sweep": sweep, "bench": bench, "sign": sign, "doctor": doctor,
}  # fmt: skip


def _give_summary(summary: dict, page: Path) -> None:
    """The result of a measurement: its summary.json, or its tables and verdicts."""

    def show() -> None:
        _print_summary(summary)
        _say_page(page)

    output.result(summary, show)


def _say_page(page: Path) -> None:
    console.print(f"Report: {page}", soft_wrap=True, highlight=False)


def _print_summary(summary: dict) -> None:
    """A table for each floor and ceiling, since rewards of several kinds are not compared; then the verdicts."""
    scales: dict[tuple[float, float], list[dict]] = {}
    for row in sorted(summary["agents"], key=lambda row: -row["reward_mean"]):
        scales.setdefault((row["floor"], row["ceiling"]), []).append(row)
    head = ("agent", "reward ± SE", "of 1", "below optimum", "slope a trial", "nature")
    shown = len(head) - (console.width < 100)  # a narrow terminal does without natures

    def pair(row: dict, name: str, se: str, digits: int) -> str:
        return f"{row[name]:.{digits}f} ± {row[se]:.{digits}f}" if name in row else ""

    for (floor, ceiling), rows in scales.items():
        cells = [
            (
                row["agent"] + (" *" if row.get("trained") else ""), pair(row, "reward_mean", "reward_se", 3),
                f"{row['fraction']:.2f}", pair(row, "below_optimum", "below_optimum_se", 3),
                pair(row, "slope", "slope_se", 4), row["nature"],
            )
            for row in rows
        ]  # fmt: skip
        title = f"{summary['experiment']}: floor {floor:.3f} (0 of 1), ceiling {ceiling:.3f} (1 of 1); * trained"
        print_table(title, head[:shown], [row[:shown] for row in cells])
    for verdict in summary.get("verdicts", []):
        console.print(verdict)


GROUPS: dict[str, tuple[dict[str, Callable[..., None]], Callable[..., None]]] = {
    "bench": (BENCHMARKS, bench), "generate": (GENERATORS, generate), "sweep": (SWEEPS, sweep),
}  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Entry point; see command_line.guarded for the exit status."""
    given = sys.argv[1:] if arguments is None else arguments

    def work() -> None:
        name = given[0] if given else ""
        if launched()[1] > 1 and name != "train":
            raise ValueError(f"WORLD_SIZE: got {launched()[1]}, allowed: 1, but for `mesasim train`; start one process")
        if name == "--version":
            print(mesasim.__version__)
        elif name == "run":
            quick = wants_quick(given)
            commands = {called: _experiment_command(called, module, quick) for called, module in experiments().items()}
            command_line.run(commands, "mesasim run", run.__doc__, given[1:])
        elif name in GROUPS:
            commands, about = GROUPS[name]
            command_line.run(commands, f"mesasim {name}", about.__doc__, given[1:], ticking=name != "bench")
        else:
            command_line.run(COMMANDS, "mesasim", mesasim.__doc__, given)

    command_line.guarded(work)


if __name__ == "__main__":
    main()
