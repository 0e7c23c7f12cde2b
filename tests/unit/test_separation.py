from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from separation import Answer, Passage, Record, Step, gaps, held_over, passages, returns, violations


def answers(*said: tuple[float, str]) -> list[Answer]:
    return [Answer(at, tier, "a way") for at, tier in said]


# Violations


def test_a_crossing_without_overlap_is_none() -> None:
    assert violations(answers((1, "lgwan"), (2, "lgwan"), (3, "probation"), (9, "internet")), []) == []


def test_an_answer_of_lgwan_after_one_from_outside_is_one() -> None:
    [found] = violations(answers((1, "lgwan"), (2, "probation"), (2.5, "lgwan"), (3, "probation")), [])
    assert (found.at, found.outside) == (2.5, 2)
    assert "0.500 s after" in str(found)


def test_every_such_answer_is_reported() -> None:
    both = [(1 + step / 10, tier) for step in range(20) for tier in ("lgwan", "internet")]
    assert len(violations(answers(*both), [])) == 19


def test_the_held_connection_counts_like_any_other_answer() -> None:
    record = [*answers((1, "lgwan"), (2, "probation")), Answer(3, "lgwan", "the held connection", held=True)]
    assert [one.way for one in violations(record, [])] == ["the held connection"]


def test_a_terminal_that_starts_outside_may_not_meet_lgwan_either() -> None:
    assert len(violations(answers((1, "internet"), (2, "lgwan")), [])) == 1


def test_after_a_recorded_return_the_network_may_change_later() -> None:
    # The intent is recorded at 3; the port still answers from outside until 3.2, then the LGWAN tier does.
    record = answers((1, "lgwan"), (2, "probation"), (3.2, "probation"), (3.5, "lgwan"), (4, "lgwan"))
    assert violations(record, [3.0]) == []
    assert len(violations(record, [3.6])) == 1, "the network was ahead of the record"


def test_a_return_before_anything_answered_from_outside_counts() -> None:
    assert violations(answers((1, "lgwan"), (2.5, "probation"), (3, "lgwan")), [2.0]) == []


def test_a_return_allows_one_way_home_and_not_two() -> None:
    record = answers((1, "lgwan"), (2, "probation"), (3.5, "lgwan"), (3.6, "probation"), (3.7, "lgwan"))
    assert [one.at for one in violations(record, [3.0])] == [3.7]


def test_the_return_of_an_earlier_crossing_does_not_excuse_a_later_one() -> None:
    record = answers((1, "probation"), (3, "lgwan"), (4, "lgwan"), (5, "probation"), (6, "lgwan"))
    assert [one.at for one in violations(record, [2.0])] == [6]


def test_an_order_is_an_order_also_within_one_instant() -> None:
    assert len(violations(answers((1, "lgwan"), (2, "probation"), (2, "lgwan")), [])) == 1


# Recorded returns


def test_returns_are_taken_from_their_intent() -> None:
    way = [Step(1, "crossing"), Step(2, "probation", until=302), Step(9, "returning"), Step(10, "returned")]
    assert returns(way) == [9]


def test_a_confirmed_terminal_has_no_return_until_it_is_released() -> None:
    way = [Step(1, "crossing"), Step(2, "probation", until=302), Step(8, "confirming"), Step(9, "confirmed")]
    assert returns(way) == []
    way += [Step(400, "quarantining"), Step(401, "quarantined"), Step(500, "releasing"), Step(501, "unplanned")]
    assert returns(way) == [500]


@pytest.mark.parametrize("after", [[], [Step(300, "confirming"), Step(303, "returned")]])
def test_a_lease_that_ends_is_a_return_whatever_the_ledger_learns_later(after: list[Step]) -> None:
    assert returns([Step(1, "crossing"), Step(2, "probation", until=302), *after]) == [302]


def test_a_confirmation_that_raced_with_the_leases_end_and_lost() -> None:
    way = [Step(1, "crossing"), Step(2, "probation", until=302), Step(301, "confirming"), Step(305, "returned")]
    assert returns(way) == [302]


# Without network


def test_passages_span_from_the_last_answer_to_the_first() -> None:
    said = answers((1, "lgwan"), (2, "lgwan"), (2.4, "probation"), (5, "probation"), (5.1, "internet"))
    assert [(one.origin, one.tier, round(one.seconds, 3)) for one in passages(said, stack=False)] == [
        ("lgwan", "probation", 0.4),
        ("probation", "internet", 0.1),
    ]


def test_only_what_went_through_the_terminals_own_stack_counts_for_a_person() -> None:
    said = [
        Answer(1, "lgwan", "", stack=True),
        Answer(1.1, "probation", ""),
        Answer(1.2, "lgwan", "", held=True),
        Answer(1.9, "probation", "", stack=True),
    ]
    assert [one.seconds for one in passages(said, stack=True)] == [pytest.approx(0.9)]


def test_a_held_connection_must_be_alive_before_and_asked_after() -> None:
    crossing = Passage("lgwan", "probation", 10, 11)
    alive = [Answer(9.9, "lgwan", "", held=True)]
    assert held_over(Record([9, 12], alive, [5]), crossing)
    assert not held_over(Record([9, 12], alive, []), crossing), "it was never opened"
    assert not held_over(Record([9, 10.5], alive, [5]), crossing), "it was not asked after the crossing"
    assert not held_over(Record([9, 12], [Answer(8, "lgwan", "", held=True)], [5]), crossing), "it was dead before"


# Gaps


def test_gaps_are_counted_and_those_near_a_crossing_named() -> None:
    sent = [step / 100 for step in range(100)] + [2 + step / 100 for step in range(100)] + [3.06]
    found = gaps(sent, [Passage("lgwan", "probation", 3.1, 3.2)])
    assert (found.rounds, found.late) == (200, 2)
    assert found.median == pytest.approx(0.01)
    assert found.worst == pytest.approx(1.01)
    assert found.near == (pytest.approx((0.07, -0.11)),)
    assert "70 ms -0.11 s from a crossing" in str(found)


def test_a_terminal_that_was_never_asked_is_not_regular() -> None:
    assert gaps([1.0]).median == float("inf")


@given(st.lists(st.floats(0.001, 1.0), min_size=2, max_size=200))
def test_the_figures_are_those_of_the_gaps(apart: list[float]) -> None:
    sent = list(accumulate(apart))
    found = gaps(sent, limit=0.1)
    real = [after - before for before, after in pairwise(sent)]
    assert found.worst == max(real)
    assert found.late == sum(gap > 0.1 for gap in real)
    assert min(real) <= found.median <= found.high <= found.worst
