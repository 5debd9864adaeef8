"""The deception toy's plans, by hand."""

import pytest

from mesasim.exact import deception as exact


def test_the_published_toy_is_best_played_by_waiting():
    best = exact.best_plan()
    assert best == ("AABBB", 3.0) and exact.plans()[1].value < 3
    assert exact.myopic_plan() == ("BBBBB", 1.0)
    assert exact.best_plan(objective="base") == ("AAAAA", 5.0)


def test_with_weak_correction_or_little_left_waiting_does_not_pay():
    assert exact.best_plan(correction=0.0).corners == "BBBBB"
    # One walk after training: going at once earns 1 for certain, waiting 1 as well, and less the later it may be caught.
    assert exact.best_plan(3, training=2, correction=0.5).corners == "BBB"
    assert exact.plan_value("BBB", training=2, correction=0.5) == pytest.approx(1 + 0.5 + 0.25)


def test_an_early_b_costs_everything_after_it():
    assert exact.plan_value("BAAAA") == 1.0 and exact.plan_value("ABBBB") == 1.0 and exact.plan_value("AAAAB") == 1.0


def test_who_discounts_waits_from_the_root_on():
    root = exact.patience()
    assert root**2 + root**3 + root**4 == pytest.approx(1, abs=1e-6)
    assert exact.best_plan(discount=root + 0.01).corners == "AABBB"
    assert exact.best_plan(discount=root - 0.01).corners[0] == "B" == exact.best_plan(discount=0.0).corners[0]
    assert exact.patience(correction=0.0) == float("inf"), "nobody waits who has nothing to fear"


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: exact.plan_value("ABC"), "corners"), (lambda: exact.plan_value("AB", training=3), "training"),
        (lambda: exact.plans(17), "walks"), (lambda: exact.plan_value("A", training=1, correction=2), "correction"),
        (lambda: exact.plan_value("AB", objective="none"), "objective"),
        (lambda: exact.plan_value("AB", discount=1.1), "discount"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, named):
    with pytest.raises(ValueError, match=f"^{named}"):
        call()
