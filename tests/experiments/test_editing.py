"""Designs, tours and the ways of editing them: costs against plain sums, optima against every design there is, edits against
what they promise."""

import itertools

import pytest
import torch

from mesasim.agents.masked import Masked, MaskedConfig
from mesasim.agents.tour_policies import any_city, nearest_city, tour_lengths, write
from mesasim.experiments import edit_or_write
from mesasim.experiments.shared import designs
from mesasim.experiments.shared.editing import Tours, accept_if_better, annealed, best_filling, best_seen
from mesasim.experiments.shared.tours import labelled
from mesasim.results import read_summary


@pytest.fixture(scope="module")
def small():
    return designs.draw(5, seed=3, tokens=4, values=3)


@pytest.fixture(scope="module")
def pilot():
    return designs.draw(200, seed=1)


def plain_cost(designs_, b, tokens):
    pairs = itertools.combinations(range(len(tokens)), 2)
    return sum(designs_.couplings[b, i, j, tokens[i], tokens[j]].item() for i, j in pairs)


def test_a_design_costs_the_sum_over_pairs_and_the_optimum_is_the_least_of_all(small):
    optimal = designs.solve(small)
    for b in range(5):
        costs = {x: plain_cost(small, b, x) for x in itertools.product(range(3), repeat=4)}
        assert tuple(optimal[b].tolist()) == min(costs, key=costs.get)
        assert small.chance()[b].item() == pytest.approx(sum(costs.values()) / len(costs), abs=1e-4)
    everything = torch.cartesian_prod(*[torch.arange(3)] * 4)
    for tokens in everything[::7]:
        ours = small.cost(tokens.expand(5, -1))
        assert ours.tolist() == pytest.approx([plain_cost(small, b, tokens.tolist()) for b in range(5)], abs=1e-4)


def test_writing_left_to_right_takes_the_cheapest_beside_what_is_written(small):
    for b, written in enumerate(designs.write_greedily(small).tolist()):
        for place in range(4):
            costs = [plain_cost(small, b, [*written[:place], v]) for v in range(3)]
            assert costs[written[place]] == min(costs)


def media():
    points = torch.rand(6, 7, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    order = write(any_city, points, generator=torch.Generator().manual_seed(4))
    made = designs.draw(6, seed=5)
    return [(Tours(points), order), (made, torch.randint(5, (6, 8), generator=torch.Generator().manual_seed(6)))]


@pytest.mark.parametrize(("medium", "written"), media(), ids=["tours", "designs"])
def test_a_filling_costs_what_it_says_and_changes_one_place(medium, written):
    generator = torch.Generator().manual_seed(1)
    for _ in range(12):
        place = torch.randint(medium.places, (6,), generator=generator)
        fillings = medium.fillings(written, place)
        costs = [medium.cost(medium.fill(written, place, torch.full((6,), k))) for k in range(fillings.shape[1])]
        difference = torch.stack(costs, dim=1) - fillings
        torch.testing.assert_close(difference, difference[:, :1].expand_as(difference), rtol=0, atol=1e-4)
        written = medium.fill(written, place, fillings.argmax(1))
    if isinstance(medium, Tours):
        assert torch.equal(written.sort(1).values, torch.arange(7).expand(6, 7))


@pytest.mark.parametrize(("medium", "written"), media(), ids=["tours", "designs"])
def test_edits_keep_their_promises(medium, written):
    generator = torch.Generator().manual_seed(1)
    better, best = accept_if_better(medium), best_filling(medium)
    for _ in range(30):
        for edit in (better, best):
            new = edit(written, 0.0, generator)
            assert (medium.cost(new) <= medium.cost(written) + 1e-5).all()
            written = new
    # Nearly at zero temperature Gibbs sampling is coordinate descent; very hot, it is chance.
    medium.heat = (1e-4, 1e-4)
    cold = annealed(medium)(written, 0.5, torch.Generator().manual_seed(7))
    torch.testing.assert_close(cold, best(written, 0.5, torch.Generator().manual_seed(7)))


def test_a_random_tour_is_as_long_as_expected():
    data = labelled(400, 8, seed=2, num_threads=1)
    generator = torch.Generator().manual_seed(1)
    lengths = [tour_lengths(data.points, write(any_city, data.points, generator=generator)) for _ in range(20)]
    assert torch.stack(lengths).mean() == pytest.approx(Tours(data.points).chance().mean().item(), rel=0.01)


def test_the_pilot_is_reproduced(pilot):
    """references.md section 7: .292 left to right; .132 and stuck; .016 after 512 annealed edits."""
    least = pilot.cost(designs.solve(pilot))
    start = designs.write_greedily(pilot)

    def regret(cost):
        return ((cost - least) / (pilot.chance() - least)).mean().item()

    descent = best_seen(pilot, start, best_filling(pilot), [0, 64, 512], seed=1)
    assert regret(descent[0]) == pytest.approx(0.292, abs=0.04)
    assert regret(descent[64]) == pytest.approx(0.132, abs=0.03) and regret(descent[512]) > 0.1
    assert regret(best_seen(pilot, start, annealed(pilot), [512], seed=1)[512]) == pytest.approx(0.016, abs=0.01)


def test_a_masked_place_sees_neither_its_own_token_nor_unknown_ones(pilot):
    torch.manual_seed(0)
    model = Masked(MaskedConfig(width=16), 5)
    tokens, couplings = torch.zeros(200, 8, dtype=torch.int64), pilot.couplings
    known = torch.ones(200, 8, dtype=torch.bool)
    known[:, 5] = False
    before = model(couplings, tokens, known)
    tokens[:, 5] = 3
    assert torch.equal(model(couplings, tokens, known), before)
    tokens[:, 2] = 4
    after = model(couplings, tokens, known)
    assert torch.equal(after[:, 2], before[:, 2]) and not torch.allclose(after[:, 3], before[:, 3])


def test_a_learned_edit_keeps_all_but_the_last_cities_in_their_order():
    data = labelled(50, 9, seed=2, num_threads=1)
    edited = edit_or_write.end_anew(nearest_city, data.points)(data.order, 0.0, torch.Generator().manual_seed(1))
    kept = edited[:, : 9 - edit_or_write.REWRITTEN]
    at = (data.order[:, None] == kept[..., None]).int().argmax(-1)
    assert ((at.diff(dim=1) % 9) == 1).all() and torch.equal(edited.sort(1).values, torch.arange(9).expand(50, 9))


def test_the_experiment_tells_annealing_from_descent(tmp_path):
    config = edit_or_write.Config(tasks=60, edits=256, learned_edits=32, iterations=20, num_threads=1)
    summary = edit_or_write.run(config, tmp_path / "run", quiet=True)
    regret = {row["agent"]: -row["reward_mean"] for row in read_summary(tmp_path / "run")["agents"]}
    assert (
        regret["designs: annealed"] < 0.6 * regret["designs: cheapest filling"] < 0.6 * regret["designs: left to right"]
    )
    assert regret["tours: annealed"] < 0.1 * regret["tours: left to right"]
    assert "beat writing left to right" in summary["verdicts"][0] and "and beat greedy edits" in summary["verdicts"][0]
    assert all(value >= 0 for value in regret.values()), "nothing is below the optimum"
    assert "Regret by number of edits" in (tmp_path / "run" / "report.html").read_text()


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="edits"):
        edit_or_write.Config(edits=8)
    with pytest.raises(ValueError, match="tasks"):
        edit_or_write.Config(tasks=1)
