"""Charts as SVG."""

from datetime import date

from recommendations.admin.pages.charts import Interval, bars, intervals


def test_a_chart_has_a_bar_for_every_day_also_those_without_a_count():
    drawn = bars([(date(2026, 3, 1), 2), (date(2026, 3, 9), 4)], title="Events")
    assert drawn.count("<rect") == 9
    assert "<title>2026-03-05: 0</title>" in drawn and "most in a day: 4" in drawn


def test_a_chart_of_one_day_shows_the_week_before_it():
    assert bars([(date(2026, 3, 1), 2)], title="Events").count("<rect") == 7


def test_what_people_wrote_is_escaped_in_charts():
    assert "<b>x" not in intervals([Interval("<b>x", 0.1, 0.0, 0.2)], title="<b>x")


def test_intervals_keep_their_order_and_show_zero():
    drawn = intervals(
        [Interval("control", 0.2, 0.1, 0.3, True), Interval("bold", 0.3, 0.2, 0.4)], title="t", zero=True
    )
    assert drawn.index("control") < drawn.index("bold")
    assert drawn.count("<circle") == 2 and 'class="zero"' in drawn and "20.000%" in drawn


def test_without_values_nothing_is_drawn():
    assert bars([], title="Events") == "" == intervals([], title="Rates")
