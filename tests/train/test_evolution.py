"""Evolution: it finds an optimum, plays all genomes on the same tasks, and goes on from a checkpoint to the same bits."""

import dataclasses

import numpy as np
import pytest
import torch

from mesasim.agents.genomes import GenomeAgent, PlasticRule, RecurrentNet
from mesasim.train.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint
from mesasim.train.evolution import EvolutionConfig, Played, Trainer, evolve, load_genome
from mesasim.vector import MesaVectorEnv

SMALL = EvolutionConfig(generations=6, population=8, num_threads=1, checkpoint_every=2)


class Sphere:
    """Highest, 0, where every number is 1."""

    def __init__(self, size=6, target=1.0):
        self.size, self.target = size, target

    def describe(self):
        return {"size": self.size, "target": self.target}

    def evaluate(self, genomes, seed):
        return -(genomes - self.target).square().sum(1)


def bandit(species, tasks=6, arms=3):
    return Played("Bandit-v0", {"arms": arms, "pulls": 5}, species, tasks=tasks, num_threads=1)


SPHERES = [("full", 6, 8), ("full", 10, 64), ("diagonal", 40, 16), ("diagonal", 16, 16)]
SPECIES = [("full", PlasticRule), ("diagonal", lambda fields, actions: RecurrentNet(fields, actions, 2))]


@pytest.mark.parametrize(("covariance", "size", "population"), SPHERES)
def test_it_finds_the_top_of_a_sphere(tmp_path, covariance, size, population):
    config = EvolutionConfig(generations=300, population=population, covariance=covariance, num_threads=1)
    genome = evolve(config, Sphere(size), tmp_path)
    assert genome.dtype == torch.float32 and (genome - 1).abs().max() < 1e-2
    assert torch.equal(load_genome(tmp_path), genome)


@pytest.mark.parametrize("stop", [1, 3, 5])
@pytest.mark.parametrize(("covariance", "species"), SPECIES)
def test_a_resumed_evolution_ends_in_the_same_bits(tmp_path, covariance, species, stop):
    config = dataclasses.replace(SMALL, covariance=covariance)
    cut = Trainer(config, bandit(species), tmp_path / "cut")
    for _ in range(stop):
        cut.iterate()
    cut.save()
    resumed = evolve(config, bandit(species), tmp_path / "cut", resume=True)
    whole = evolve(config, bandit(species), tmp_path / "whole")
    assert torch.equal(resumed, whole) and whole.abs().max() > 0
    assert not torch.equal(whole, evolve(dataclasses.replace(config, seed=2), bandit(species), tmp_path / "other"))
    rows = (tmp_path / "whole" / "metrics.csv").read_text().splitlines()
    assert rows[0].startswith("iteration,fitness_mean,fitness_best") and len(rows) == 7


@pytest.mark.parametrize("species", [PlasticRule, RecurrentNet])
def test_genomes_of_a_population_meet_the_same_tasks_and_do_not_touch_each_other(species):
    fitness = bandit(species)
    genomes = torch.randn(4, fitness.size, generator=torch.Generator().manual_seed(1)) * 2
    together = fitness.evaluate(genomes, seed=5)
    assert torch.equal(fitness.evaluate(genomes, seed=5), together)
    torch.testing.assert_close(torch.cat([fitness.evaluate(g[None], seed=5) for g in genomes]), together)
    assert torch.equal(fitness.evaluate(genomes[:1].expand(4, -1), seed=5), together[:1].expand(4))
    assert not torch.equal(fitness.evaluate(genomes, seed=6), together)


def test_a_fitness_is_the_mean_return_of_the_genome_as_an_agent():
    """The same tasks, luck and steps once more, one genome by its agent in an environment of its own."""
    fitness, tasks, seed = bandit(PlasticRule, tasks=40), 40, 9
    genome = PlasticRule.counting(3.0)
    agent = GenomeAgent(fitness.species, genome)
    env = MesaVectorEnv("Bandit-v0", tasks, history=True, num_threads=1, arms=3, pulls=5)
    env.reset(seed=np.random.SeedSequence(seed).generate_state(tasks, np.uint64))
    generator, carry, total = torch.Generator().manual_seed(seed), agent.initial_carry(tasks), torch.zeros(tasks)
    for t in range(5):
        obs = {n: v.clone()[None] for n, v in env.buffers.group["observation"].items()}
        out = agent.unroll(obs, torch.full((1, tasks), t == 0), carry)
        carry = out.carry
        luck = torch.empty(tasks, 3).exponential_(generator=generator).log()
        total += env.step((out.logits[0] - luck).argmax(1))[1]
    other = torch.zeros_like(genome)
    assert fitness.evaluate(torch.stack([other, genome]), seed)[1].item() == pytest.approx(
        total.mean().item(), abs=1e-6
    )


def test_other_settings_another_fitness_or_a_lacking_checkpoint_do_not_resume(tmp_path):
    evolve(SMALL, Sphere(), tmp_path)
    with pytest.raises(FileExistsError, match="run"):
        evolve(SMALL, Sphere(), tmp_path)
    with pytest.raises(ValueError, match="fitness"):
        evolve(SMALL, Sphere(target=2.0), tmp_path, resume=True)
    with pytest.raises(ValueError, match="sigma"):
        evolve(dataclasses.replace(SMALL, sigma=0.1), Sphere(), tmp_path, resume=True)
    path = latest_checkpoint(tmp_path)
    tensors, meta = load_checkpoint(path)
    del tensors["strategy/_sigma"]
    save_checkpoint(path, tensors, meta)
    with pytest.raises(ValueError, match="_sigma"):
        evolve(SMALL, Sphere(), tmp_path, resume=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("generations", 0), ("population", 3), ("population", 8.0), ("sigma", 0.0), ("sigma", float("nan")), ("seed", -1),
     ("covariance", "none"), ("checkpoint_every", True)],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(name, value):
    with pytest.raises(ValueError, match=name):
        dataclasses.replace(SMALL, **{name: value})


def test_a_diagonal_form_that_would_diverge_tasks_below_one_and_a_fitness_that_is_no_number_are_refused():
    with pytest.raises(ValueError, match="covariance"):
        Trainer(dataclasses.replace(SMALL, covariance="diagonal"), Sphere(6))
    with pytest.raises(ValueError, match="tasks"):
        bandit(PlasticRule, tasks=0)
    sphere = Sphere()
    sphere.evaluate = lambda genomes, seed: torch.full((8,), torch.nan)
    with pytest.raises(ValueError, match="fitness"):
        Trainer(SMALL, sphere).iterate()
