"""What goes into a pack, by how many cores it is computed, and how long packs take."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from serving.batching.packing import Item, choose
from serving.batching.width import Width
from serving.endpoints.overload import Pace


def items(*sizes: int, group: str = "") -> list[Item]:
    return [Item(place, size, group, None, place) for place, size in enumerate(sizes)]  # type: ignore[arg-type]


def packed(sizes: Sequence[int], budget: int, idle: int = 1) -> list[int]:
    return [item.size for item in choose(items(*sizes), budget, idle)]


def test_the_oldest_is_filled_with_what_is_nearest_in_length() -> None:
    assert packed([20, 90, 22, 21, 70], budget=70) == [20, 21, 22]


def test_padding_counts() -> None:
    assert packed([20, 40, 40], budget=100) == [20, 40]
    assert packed([10] * 20, budget=100) == [10] * 10


def test_what_is_larger_than_the_budget_goes_alone() -> None:
    assert packed([500, 10, 10], budget=100) == [500]


def test_a_short_text_is_not_padded_to_a_long_one() -> None:
    assert packed([10, 200], budget=512) == [10]


def test_groups_never_mix() -> None:
    waiting = [*items(10, 10, group="a"), *items(10, group="b")]
    assert [item.group for item in choose(waiting, 100, 1)] == ["a", "a"]


def test_idle_lanes_share_what_is_there() -> None:
    assert packed([10] * 8, budget=100, idle=2) == [10] * 4
    assert packed([10] * 8, budget=100, idle=1) == [10] * 8


@settings(max_examples=100, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 600), min_size=1, max_size=40),
    budget=st.integers(1, 1000),
    idle=st.integers(1, 4),
)
def test_any_queue_is_emptied_oldest_first_within_the_budget(sizes: list[int], budget: int, idle: int) -> None:
    waiting = items(*sizes)
    packs = []
    while waiting:
        pack = choose(waiting, budget, idle)
        assert pack[0] is waiting[0]
        assert len(pack) == 1 or max(item.size for item in pack) * len(pack) <= budget
        packs += pack
        waiting = [item for item in waiting if item not in pack]
    assert sorted(item.place for item in packs) == list(range(len(sizes)))


def test_a_lone_pack_is_computed_by_as_many_cores_as_was_faster_lately() -> None:
    width = Width(4)
    seconds = {1: 2.0, 4: 1.0}

    def run(packs: int) -> list[int]:
        chosen = []
        for _ in range(packs):
            chosen.append(width.choose(100))
            width.count(100, chosen[-1], seconds[chosen[-1]])
        return chosen

    assert run(6) == [1, 4] * 3
    assert run(26) == [4] * 26
    # Another program has come: one core is faster now, which is found out when it is tried again.
    seconds[4] = 8.0
    assert run(32)[-1] == 1
    assert width.choose(10) == 1
    assert {Width(1).choose(100) for _ in range(40)} == {1}


def test_pace_follows_what_was_measured() -> None:
    pace = Pace()
    assert pace.seconds_for(1000, 2) == 1
    pace.count(10, 1.0)
    assert pace.seconds_for(200, 2) == 10
