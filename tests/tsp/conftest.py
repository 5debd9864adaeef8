"""The rules in plain Python."""

import pytest
from plain import tour_data, tour_heuristics


@pytest.fixture(scope="session")
def plain_data():
    """plain/tour_data.py, and 2-opt of plain/tour_heuristics.py."""

    def two_opt(d, tour):
        units, first = tour_heuristics.in_units(d), tour_heuristics.canonical(tour)
        return tour_heuristics.Exchanges(units, first, two_opt=True, or_opt=False).run()

    tour_data.two_opt = two_opt
    return tour_data
