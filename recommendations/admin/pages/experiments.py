"""The page of an experiment: what came of it so far, with intervals, and a button to stop it."""

from collections.abc import Iterator
from math import isnan

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html

from listings.admin.base import may_change
from listings.errors import DomainError
from recommendations.admin.pages import charts
from recommendations.admin.pages.base import PagesMixin, link_to_page, page
from recommendations.analysis import experiment_report
from recommendations.analysis.experiment_differences import PRIMARY
from recommendations.analysis.experiment_outcomes import ExperimentOutcome, read_outcome
from recommendations.feed import experiments
from recommendations.models.experiments import CONTROL, Experiment


def show_result(request: HttpRequest, experiment: Experiment) -> HttpResponse:
    """Sentences, charts and tables of the report, as of now."""
    if request.method == "POST":
        return _stop(request, experiment)
    outcome = read_outcome(experiment.name, now=timezone.now())
    return page(
        request,
        "experiment.html",
        f"Experiment {experiment.name}",
        experiment=experiment,
        sentences=experiment_report.sentences(outcome),
        tables=list(experiment_report.tables(outcome)),
        charts=[chart for chart in _charts(outcome) if chart],
        footnote=experiment_report.footnote(),
        may_stop=experiment.status == Experiment.Status.RUNNING and may_change(request, Experiment),
        links=[
            ("Result", link_to_page(experiment, "result"), True),
            ("Edit", link_to_page(experiment, "change"), False),
        ],
    )


def _stop(request: HttpRequest, experiment: Experiment) -> HttpResponse:
    if not may_change(request, Experiment):
        messages.error(request, "Only who may change experiments may stop one.")
        return HttpResponseRedirect(request.path)
    try:
        experiments.stop(experiment)
        messages.success(request, f"{experiment} is stopped. Everybody gets the usual feed again.")
    except DomainError as error:
        messages.error(request, error.detail)
    return HttpResponseRedirect(request.path)


def _charts(outcome: ExperimentOutcome) -> Iterator[str]:
    """The primary measure of each variant, and the differences from the control."""
    base, kind = PRIMARY
    title = f"{experiment_report.SHORT[base]} with a {kind}".capitalize()
    rates = [(arm.name, getattr(arm, base)[kind]) for arm in outcome.arms]
    differences = [
        (arm.name, found[kind]) for arm in outcome.arms if (found := getattr(arm, f"{base}_over_control"))
    ]
    yield charts.intervals(_known(rates), title=title)
    yield charts.intervals(_known(differences), title=f"Difference from {CONTROL}", zero=True)


def _known(figures) -> list[charts.Interval]:
    return [
        charts.Interval(name, figure.value, figure.low, figure.high, name == CONTROL)
        for name, figure in figures
        if not any(isnan(number) for number in (figure.value, figure.low, figure.high))
    ]


class ExperimentPagesMixin(PagesMixin):
    """Mixin of the admin of experiments: a link to the result in the list and on the form."""

    pages = {"result": show_result}

    def get_list_display(self, request):
        return (*super().get_list_display(request), "look")

    @admin.display(description="")
    def look(self, experiment: Experiment) -> str:
        return format_html('<a href="{}">Result</a>', link_to_page(experiment, "result"))
