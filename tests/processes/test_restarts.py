"""When what keeps ending is started again, and when it is given up."""

from __future__ import annotations

from mixpeek_dagster.processes.restarts import Restarts


def test_the_first_restart_is_at_once_later_ones_wait_longer_and_longer_and_the_last_death_is_the_end() -> None:
    restarts = Restarts(most=7, first_wait=1.0, longest_wait=5.0)
    assert [restarts.died(now) for now in range(7)] == [0.0, 1.0, 2.0, 4.0, 5.0, 5.0, None]
    assert restarts.deaths == 7


def test_after_a_steady_time_earlier_deaths_are_forgotten() -> None:
    restarts = Restarts(most=2, steady_seconds=60.0)
    assert [restarts.died(now, since=now - 60.0) for now in (100.0, 200.0, 300.0)] == [0.0, 0.0, 0.0]
    assert restarts.died(400.0, since=340.5) is None


def test_what_never_got_well_is_not_steady_however_long_it_took() -> None:
    restarts = Restarts(most=2, steady_seconds=60.0)
    assert restarts.died(0.0) == 0.0
    assert restarts.died(1000.0) is None


def test_without_a_steady_time_every_death_counts() -> None:
    restarts = Restarts(most=3)
    assert [restarts.died(now, since=0.0) for now in (1e6, 2e6, 3e6)] == [0.0, 0.0, None]


def test_told_to_forget_it_begins_anew() -> None:
    restarts = Restarts(most=2)
    restarts.died(0.0)
    restarts.forget()
    assert restarts.died(0.0) == 0.0
