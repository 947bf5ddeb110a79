from __future__ import annotations

from collections import Counter
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from models.deliveries.fair_share import MAX_TENANTS, allocate, choose_tenants
from models.tenants.queries import MAX_WEIGHT

Crowd = dict[str, int]

spins = st.floats(0, 1)


def crowds(least: int, most: int, heaviest: int = MAX_WEIGHT) -> st.SearchStrategy[Crowd]:
    """Waiting tenants with their weights."""
    weights = st.lists(st.integers(1, heaviest), min_size=least, max_size=most)
    return weights.map(lambda found: {f"t{i}": weight for i, weight in enumerate(found)})


def owed(crowd: Crowd, room: int) -> dict[str, Fraction]:
    """One each to those whose weight is worth less than one, and to the others in proportion what is left."""
    light: set[str] = set()
    while True:
        others = crowd.keys() - light
        worth = Fraction(room - len(light), sum(crowd[tenant] for tenant in others))
        lighter = {tenant for tenant in others if crowd[tenant] * worth < 1}
        if not lighter:
            return {tenant: max(weight * worth, Fraction(1)) for tenant, weight in crowd.items()}
        light |= lighter


@given(crowds(1, MAX_TENANTS), st.integers(1, 1000), spins)
def test_shares_fill_the_room_and_no_more(crowd: Crowd, room: int, spin: float) -> None:
    given = allocate(crowd, room, spin)
    assert sum(given.values()) == room
    assert min(given.values()) >= 1


@given(crowds(1, MAX_TENANTS), st.integers(MAX_TENANTS, 1000), spins)
def test_everyone_gets_a_share_in_proportion_within_one_and_at_least_one(crowd: Crowd, room: int, spin: float) -> None:
    given = allocate(crowd, room, spin)
    assert given.keys() == crowd.keys()
    assert all(abs(given[tenant] - due) < 1 for tenant, due in owed(crowd, room).items())


@given(crowds(1, MAX_TENANTS), spins)
def test_as_many_as_a_batch_serves_all_take_part(crowd: Crowd, spin: float) -> None:
    assert choose_tenants(crowd, spin) == crowd


@given(crowds(MAX_TENANTS + 1, 60), spins)
def test_of_more_a_batch_serves_as_many_as_it_can(crowd: Crowd, spin: float) -> None:
    served = choose_tenants(crowd, spin)
    assert len(served) == MAX_TENANTS
    assert served.keys() < crowd.keys()


@given(crowds(MAX_TENANTS + 1, 40, heaviest=20))
def test_over_all_spins_everyone_of_very_many_gets_exactly_what_is_in_proportion(crowd: Crowd) -> None:
    # Spins between two of these differ in nothing: whoever is drawn has the weight of all who may be.
    steps = min(choose_tenants(crowd, 0).values())
    got: Counter[str] = Counter()
    wholes = set()
    for step in range(steps):
        served = choose_tenants(crowd, (step + 0.5) / steps)
        got.update(served)
        wholes.add(sum(served.values()))
    [whole] = wholes
    everyone = sum(crowd.values())
    assert all(got[tenant] * everyone == weight * steps * whole for tenant, weight in crowd.items())
