"""A run is drawn as often as that costs it little."""

from experiment.scheduling.drawing import DrawingTimes


def test_the_first_drawing_is_due_at_once() -> None:
    assert DrawingTimes().due(0.0)


def test_after_a_drawing_nine_times_its_length_goes_by() -> None:
    drawing_times = DrawingTimes()
    drawing_times.drawn(100.0, 104.0)
    assert not drawing_times.due(104.0)
    assert not drawing_times.due(139.9)
    assert drawing_times.due(140.1)


def test_the_last_drawing_counts_not_the_longest() -> None:
    drawing_times = DrawingTimes()
    drawing_times.drawn(0.0, 60.0)
    drawing_times.drawn(600.0, 601.0)
    assert not drawing_times.due(609.0)
    assert drawing_times.due(611.0)


def test_what_takes_no_time_is_always_due() -> None:
    drawing_times = DrawingTimes()
    drawing_times.drawn(5.0, 5.0)
    assert drawing_times.due(5.0)
