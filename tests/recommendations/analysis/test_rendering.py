from io import StringIO
from math import nan

import pytest
from django.core.management.base import OutputWrapper
from PIL import Image

from ml.evaluation.estimate import IntervalEstimate
from recommendations.analysis.rendering import (
    ReportTable,
    chart,
    format_half_width,
    format_interval,
    print_report,
    whiskers,
)

ESTIMATE = IntervalEstimate(0.12, 0.1, 0.14)
WITHOUT_INTERVAL, UNKNOWN = IntervalEstimate(0.12, nan, nan), IntervalEstimate(nan, nan, nan)


@pytest.mark.parametrize(
    ("estimate", "how", "text"),
    [
        (ESTIMATE, {}, "0.1200 (0.1000 to 0.1400)"),
        (ESTIMATE, {"as_percent": True}, "12.00 % (10.00 to 14.00)"),
        (ESTIMATE, {"sign": "+"}, "+0.1200 (+0.1000 to +0.1400)"),
        (WITHOUT_INTERVAL, {}, "0.1200 (?)"),
        (WITHOUT_INTERVAL, {"as_percent": True}, "12.00 % (?)"),
        (UNKNOWN, {}, "-"),
    ],
)
def test_an_estimate_is_written_with_its_interval_or_a_mark_where_it_is_unknown(estimate, how, text):
    assert format_interval(estimate, **how) == text


def test_an_estimate_is_written_with_half_the_width_of_its_interval():
    assert format_half_width(ESTIMATE) == "0.1200 ±0.0200"
    assert format_half_width(UNKNOWN) == "-"


def test_whiskers_reach_from_an_estimate_to_the_ends_of_its_interval_and_never_backwards():
    outside = IntervalEstimate(0.2, 0.3, 0.1)
    below, above = whiskers([ESTIMATE, outside], scale=100)
    assert below == pytest.approx([2, 0])
    assert above == pytest.approx([2, 0])


@pytest.fixture
def table() -> ReportTable:
    table = ReportTable("Clicks", ["variant", "share"])
    table.add("control", "1 %")
    table.add("bold", "2 %", is_bold=True)
    return table


def test_a_table_in_markdown_has_its_title_and_aligns_numbers_to_the_right(table):
    assert table.to_markdown() == [
        "## Clicks",
        "",
        "| variant | share |",
        "| --- | ---: |",
        "| control | 1 % |",
        "| bold | 2 % |",
        "",
    ]


def test_a_printed_report_holds_sentences_then_tables_then_the_footnote_without_markup(table):
    out = StringIO()
    print_report(OutputWrapper(out), ["[bold]10 actors."], [table], "In brackets: intervals.", width=80)
    printed = out.getvalue()
    places = [printed.index(part) for part in ("[bold]10 actors.", "Clicks", "control", "In brackets")]
    assert places == sorted(places)


def test_a_chart_is_written_as_png_when_its_block_ends_and_not_when_it_fails(tmp_path):
    with chart(tmp_path / "chart.png", title="Clicks", size=(2, 1), column_count=1) as (_, panels):
        panels[0][0].plot([1, 2])
    assert Image.open(tmp_path / "chart.png").format == "PNG"
    with (
        pytest.raises(ZeroDivisionError),
        chart(tmp_path / "failed.png", title="Clicks", size=(2, 1), column_count=1),
    ):
        raise ZeroDivisionError
    assert not (tmp_path / "failed.png").exists()
