from sweeper.running.slot_health import SlotHealth


def test_a_slot_is_sick_once_two_jobs_that_it_lost_ended_well_elsewhere() -> None:
    slots = SlotHealth()
    for job in (1, 2):
        assert slots.sick() == {}
        slots.lost("a", job)
        slots.did_well("b", job)
    assert slots.sick() == {"a": "2 jobs that it lost have ended well on others"}


def test_a_slot_that_did_well_in_between_is_not_sick() -> None:
    slots = SlotHealth()
    slots.lost("a", 1)
    slots.did_well("b", 1)
    slots.did_well("a", 2)
    slots.lost("a", 3)
    slots.did_well("b", 3)
    assert slots.sick() == {}


def test_a_slot_is_sick_that_loses_three_in_a_row_while_others_do_well() -> None:
    slots = SlotHealth()
    for job in (1, 2, 3):
        slots.lost("a", job)
    assert slots.sick() == {}  # all may be as bad
    slots.did_well("b", 4)
    assert slots.sick() == {"a": "it lost 3 jobs in a row, while others do well"}


def test_jobs_that_fail_wherever_they_run_make_no_slot_sick() -> None:
    slots = SlotHealth()
    for job in (1, 2, 3):
        slots.lost("a", job)
        slots.did_well("b", 0)
        slots.lost("b", job)
        slots.gave_up(job)
    assert slots.sick() == {}
