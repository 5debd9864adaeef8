"""Evaluations → files: evaluation.parquet (a row a task and agent) and summary.json (a row an agent). Files appear
whole or not at all; what is read back is checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mesasim.evaluate import Evaluation
from mesasim.integrity import write_whole
from mesasim.metrics import by_step, estimate, fraction, frozen_weights_slope, rises
from mesasim.output import dumps

SUMMARY = "summary.json"
TABLE = "evaluation.parquet"


def summarize(evaluation: Evaluation, floor: float, ceiling: float, **more: Any) -> dict[str, Any]:
    """One agent's row of summary.json."""
    reward = estimate(evaluation.returns)
    mean, se = by_step(evaluation.rewards)
    row: dict[str, Any] = {
        "agent": evaluation.agent,
        "nature": evaluation.nature,
        "tasks": len(evaluation.rewards),
        "reward_mean": reward.mean,
        "reward_se": reward.se,
        "floor": floor,
        "ceiling": ceiling,
        "fraction": fraction(reward.mean, floor, ceiling),
        "fraction_se": reward.se / (ceiling - floor),
        "regret_to_ceiling": ceiling - reward.mean,
        "reward_by_step": mean.tolist(),
        "reward_by_step_se": se.tolist(),
        "weights_hash_before": evaluation.hash_before,
        "weights_hash_after": evaluation.hash_after,
        "weights_unchanged": evaluation.frozen,
        "cpu_seconds": evaluation.cpu_seconds,
        "notes": evaluation.notes,
    }
    if evaluation.rewards_by_trial.shape[1] > 1:
        slope = frozen_weights_slope(evaluation.rewards_by_trial)
        row |= {"slope": slope.mean, "slope_se": slope.se, "rises": rises(slope)}
    if "expected_regret" in evaluation.oracle:
        regret = estimate(evaluation.oracle["expected_regret"][:, 0])
        row |= {"expected_regret": regret.mean, "expected_regret_se": regret.se}
    return row | more


def below_optimum(rows: list[dict[str, Any]], evaluations: list[Evaluation]) -> None:
    """Adds to each row how far its agent stays below the best reference on the same tasks, task by task: most of the
    luck of the tasks drawn, which `reward_mean` has, cancels. The optimum is bayes_optimal, else gittins, else the
    planner, else what is called so; nothing is added where none of them was evaluated."""
    by_name = {e.agent: e for e in evaluations}
    best_known = ("bayes_optimal", "gittins", "oracle_follower", "bayes_filter", "optimum")
    optimum = next((by_name[name] for name in best_known if name in by_name), None)
    if optimum is None:
        return
    for row in rows:
        gap = estimate(optimum.returns - by_name[row["agent"]].returns)
        row |= {"optimum": optimum.agent, "below_optimum": gap.mean, "below_optimum_se": gap.se}


def write_table(run: Path, evaluations: list[Evaluation]) -> None:
    """evaluation.parquet: agent, nature, task, return, length, expected_regret where the world knows it (null for an agent
    evaluated where it does not), rewards."""
    tables = []
    for e in evaluations:
        columns = {
            "agent": pa.array([e.agent] * len(e.rewards)).dictionary_encode(),
            "nature": pa.array([e.nature] * len(e.rewards)).dictionary_encode(),
            "task": pa.array(range(len(e.rewards)), pa.int32()),
            "return": pa.array(e.returns),
            "length": pa.array(e.lengths),
        }
        if "expected_regret" in e.oracle:
            columns["expected_regret"] = pa.array(e.oracle["expected_regret"][:, 0])
        steps = e.rewards.shape[1]
        flat = pa.array(e.rewards.reshape(-1))
        columns["rewards"] = pa.ListArray.from_arrays(pa.array(range(0, flat.__len__() + 1, steps), pa.int32()), flat)
        tables.append(pa.table(columns))
    write_whole(
        run / TABLE,
        lambda path: pq.write_table(
            pa.concat_tables(tables, promote_options="default").unify_dictionaries(), path, compression="zstd"
        ),
    )


def write_summary(run: Path, summary: dict[str, Any]) -> None:
    """summary.json: question, world, options, command, agents."""
    text = dumps(summary, indent=2)
    write_whole(run / SUMMARY, lambda path: path.write_text(text + "\n"))


def read_summary(run: Path) -> dict[str, Any]:
    path = run / SUMMARY
    if not path.is_file():
        raise FileNotFoundError(f"run: {run} holds no {SUMMARY}; `mesasim evaluate {run}` or `mesasim run` writes it")
    try:
        summary = json.loads(path.read_text())
        rows = summary["agents"]
        if not isinstance(rows, list) or not all("reward_mean" in row and "agent" in row for row in rows):
            raise KeyError("agents")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"run: {path} is damaged or not a mesasim summary ({error!r})") from error
    return summary
