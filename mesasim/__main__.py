"""The command line: mesasim list | run | train | evaluate | report | generate | solve | bench | sign. Each command is a
function here or in its package; its signature is its flags, its docstring its help."""

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
from mesasim import _core, baselines, sequences
from mesasim.agents import NETWORKS
from mesasim.bench.command import BENCHMARKS
from mesasim.devices import check_device, devices, missing_cuda
from mesasim.experiments import experiments, question
from mesasim.experiments.shared.settings import wants_quick
from mesasim.mazes import algorithms
from mesasim.mazes.command import mazes
from mesasim.presets import PRESETS
from mesasim.progress import bars, console, print_table, training_bar
from mesasim.report import PAGE, write_report
from mesasim.results import below_optimum, summarize, write_summary, write_table
from mesasim.runs import provenance
from mesasim.signature import signatures
from mesasim.spec import load_spec, parse_options, world_id
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
GENERATORS: dict[str, Callable[..., None]] = {"mazes": mazes, "tours": tours}
SIGNATURES = Path("tests/golden/signatures.json")


def list_(world: Annotated[str | None, tyro.conf.Positional] = None, markdown: bool = False) -> None:
    """Worlds, agents, experiments and devices; with a world's id, its options, fields and actions; with "mazes", "tours"
    or "sequences", the algorithms, distributions or processes and their options.

    Args:
        world: a world's id, mazes, tours or sequences.
        markdown: every world's options and fields as the page docs/worlds.md.
    """
    if markdown:
        print(worlds_page(), end="")
        return
    if world in ("mazes", "tours"):
        head = ("option", "type", "default", "allowed", "meaning")
        for name, (what, options) in (algorithms() if world == "mazes" else distributions()).items():
            print_table(f"\n{name}: {what}", head, option_rows(options))
        return
    if world == "sequences":
        print_table("Processes", ("process", "what"), list(sequences.processes().items()))
        print_table("Options", ("option", "type", "default", "allowed", "meaning"), option_rows(sequences.options()))
        return
    if world is not None:
        spec = load_spec(world)
        print_table(
            f"{spec.id}: {spec.help}", ("option", "type", "default", "allowed", "meaning"), option_rows(spec.options)
        )
        print_table("Fields", ("field", "kind", "dtype", "shape", "meaning"), world_rows(spec))
        console.print("Actions: " + ", ".join(f"{index} {name}" for index, name in enumerate(spec.actions)))
        return
    print_table("Worlds", ("id", "what"), [(w, load_spec(w).help) for w in _core.world_ids()])
    print_table("Presets", ("id", "what"), [(name, preset.help) for name, preset in PRESETS.items()])
    print_table("Networks", ("kind", "what"), list(NETWORKS.items()))
    references = []
    for with_agents in baselines.MODULES:
        for name, agent in baselines.of(with_agents).agents(with_agents).items():
            what = getattr(agent, "what", "")
            references.append((with_agents, name, agent.nature + (f": {what}" if what else "")))
    print_table("Reference agents", ("world", "agent", "nature"), references)
    print_table("Experiments", ("name", "question"), [(name, question(m)) for name, m in experiments().items()])
    rows = list(devices().items())
    if missing_cuda():
        rows.append(("(no cuda)", missing_cuda()))
    if _core.CUDA_ARCHITECTURES:
        rows.append(("(cuda compiled for)", _core.CUDA_ARCHITECTURES))
    print_table("Devices", ("device", "what"), rows)


def train(
    out: Path, option: OptionTexts = (), config: tyro.conf.OmitArgPrefixes[PPOConfig] = PPOConfig(),  # noqa: B008
    resume: bool = False, quiet: bool = False,
) -> None:  # fmt: skip
    """Train one network on one world with recurrent PPO.

    Args:
        out: folder of the run.
        resume: go on from the newest checkpoint there, to the same bits.
        quiet: no progress bar.
    """
    config.world, config.options = world_id(config.world), parse_options(config.world, option)
    with bars(quiet) as progress:
        train_ppo(config, out, resume=resume, report=training_bar(progress, config.network.kind, config.iterations))
    console.print(f"Checkpoints and metrics are in {out}; next: mesasim evaluate {shlex.quote(str(out))}")


def evaluate(
    run: Annotated[Path, tyro.conf.Positional], tasks: int = 10000, seed: int = 1001, sample_actions: bool = False,
    device: str = "cpu", quiet: bool = False,
) -> None:  # fmt: skip
    """Freeze a trained agent and evaluate it, beside the world's reference agents, on tasks it has not seen.

    Args:
        run: folder of a training run.
        tasks: unseen tasks, one episode each.
        seed: of the tasks; training at seed s never meets seed 1000 + s.
        sample_actions: draw actions from the policy instead of taking the likeliest.
        device: cpu or cuda[:i]; reference agents play on the CPU, where the tasks are the same.
        quiet: no progress bar.
    """
    check_device(device)
    agent, config = load_agent(run)
    setting = baselines.Setting(config.world, config.options, tasks, seed, config.num_threads, sample_actions, device)
    with bars(quiet) as progress:
        todo = [(config.network.kind, lambda: setting.evaluate(agent, config.network.kind, "trained"))]
        todo += list(baselines.references(setting))
        bar = progress.add_task("evaluate", total=len(todo), detail="")
        evaluations = []
        for name, make in todo:
            progress.update(bar, detail=name)
            evaluations.append(make())
            progress.advance(bar)
    scale = baselines.scale(setting, evaluations)
    rows = [summarize(e, scale.floor, scale.ceiling, trained=e.nature == "trained") for e in evaluations]
    below_optimum(rows, evaluations)
    summary = {
        "experiment": f"evaluation of {run}", "question": "How does the trained agent do with its weights frozen?",
        "reading": scale.how + ".", "world": config.world, "options": config.options, "seed": seed,
        "command": f"mesasim evaluate {run} --tasks {tasks} --seed {seed}", "agents": rows, **provenance(),
    }  # fmt: skip
    write_table(run, evaluations)
    write_summary(run, summary)
    _print_summary(summary)
    console.print(f"Report: {write_report([run], run / PAGE)}")


def report(runs: Annotated[tuple[Path, ...], tyro.conf.Positional], out: Path | None = None) -> None:
    """Write the report of one or more evaluated runs again, as one page.

    Args:
        runs: run folders, each with a summary.json.
        out: the page; default: report.html in the first run's folder.
    """
    if not runs:
        raise ValueError("runs: got none, allowed: at least one run folder")
    console.print(f"Report: {write_report(list(runs), out or runs[0] / PAGE)}")


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
    found = signatures(device, num_threads)
    if not check:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found, indent=2) + "\n")
    kept = json.loads(file.read_text())
    for world in sorted(found.keys() | kept.keys()):
        same = found.get(world) == kept.get(world)
        console.print(
            f"{world} {found.get(world)} {'' if same else f'(kept: {kept.get(world)}) DIFFERS'}", soft_wrap=True
        )
    if found != kept:
        sys.exit(1)


def _experiment_command(name: str, module: ModuleType, quick: bool) -> Callable[..., None]:
    """`quick`: the flags' defaults are the quick form's, so that flags given beside --quick win over it."""
    config_type = module.Config
    defaults = config_type(quick=quick)

    def command(
        config: tyro.conf.OmitArgPrefixes[config_type] = defaults, out: Path = Path("runs") / name,  # type: ignore[valid-type]  # a type made in a loop
        resume: bool = False, overwrite: bool = False, quiet: bool = False,
    ) -> None:  # fmt: skip
        summary = module.run(config, out, resume=resume, overwrite=overwrite, quiet=quiet)
        _print_summary(summary)
        console.print(f"Report: {os.path.relpath(out / PAGE)}")

    command.__doc__ = f"""{question(module)}

    Args:
        out: folder of the run.
        resume: go on with an interrupted run in that folder.
        overwrite: replace the run in that folder.
        quiet: no progress bars.
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
    "bench": bench, "sign": sign,
}  # fmt: skip


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


def main(arguments: list[str] | None = None) -> None:
    """Entry point. Exit status 2 for arguments or files that cannot be used, 130 for an interrupt."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        if given[:1] == ["run"]:
            quick = wants_quick(given)
            commands = {name: _experiment_command(name, module, quick) for name, module in experiments().items()}
            tyro.extras.subcommand_cli_from_dict(commands, prog="mesasim run", description=run.__doc__, args=given[1:])
        elif given[:1] in (["bench"], ["generate"]):
            group, about = (BENCHMARKS, bench) if given[0] == "bench" else (GENERATORS, generate)
            tyro.extras.subcommand_cli_from_dict(
                group, prog=f"mesasim {given[0]}", description=about.__doc__, args=given[1:]
            )
        elif given[:1] == ["--version"]:
            print(mesasim.__version__)
        else:
            tyro.extras.subcommand_cli_from_dict(COMMANDS, prog="mesasim", description=mesasim.__doc__, args=given)
    except (ValueError, TypeError, KeyError, OSError, RuntimeError) as error:
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"mesasim: {message}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("mesasim: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
