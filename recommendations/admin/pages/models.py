"""The page of a model: its metrics against the one in service, and buttons to train or roll back."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html

from listings.admin.base import may_change, moment
from listings.errors import DomainError
from recommendations import tasks
from recommendations.admin.pages.base import PagesMixin, link_to_page, page
from recommendations.collaborative import store as collaborative_store
from recommendations.model_registry.publication import Registry
from recommendations.models.trained_models import TrainedModel
from recommendations.ranker import store as ranker_store

Kind = TrainedModel.Kind
TRAIN = {Kind.COLLABORATIVE: tasks.train_collaborative, Kind.RANKER: tasks.train_ranker}
ROLL_BACK = {Kind.COLLABORATIVE: collaborative_store.rollback, Kind.RANKER: ranker_store.rollback}


def show_comparison(request: HttpRequest, model: TrainedModel) -> HttpResponse:
    """Each metric of this model and of the active one of its kind."""
    may_act = may_change(request, TrainedModel)
    if request.method == "POST":
        if may_act:
            _act(request, model)
        return HttpResponseRedirect(request.path)
    active = Registry(model.kind).active()
    return page(
        request,
        "model.html",
        str(model),
        model=model,
        trained=moment(model.created_at),
        rows=_rows(model.metrics, active.metrics if active else {}),
        active=active,
        active_url=link_to_page(active, "compare") if active and active != model else "",
        may_train=may_act and model.kind in TRAIN,
        may_roll_back=may_act and model.kind in ROLL_BACK and model == active,
        links=[
            ("Compared", link_to_page(model, "compare"), True),
            ("Details", link_to_page(model, "change"), False),
        ],
    )


def _act(request: HttpRequest, model: TrainedModel) -> None:
    """Do what the button of the form says."""
    kind = Kind(model.kind)
    if "train" in request.POST and kind in TRAIN:
        TRAIN[kind].delay()
        messages.success(
            request, "A training begins in the worker. Its model, published or refused, joins the list."
        )
    elif "roll_back" in request.POST and kind in ROLL_BACK:
        try:
            serving = ROLL_BACK[kind](now=timezone.now())
        except DomainError as error:
            messages.error(request, error.detail)
        else:
            told = f"{serving} serves again." if serving else "No ranker serves: the blend does."
            messages.success(request, f"{told} The next training may replace it.")


def _rows(metrics: dict[str, Any], active: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name, value of this model and value of the active one, for every metric of either."""
    names = [*metrics, *(name for name in active if name not in metrics)]
    return [(name.replace("_", " "), _text(metrics.get(name)), _text(active.get(name))) for name in names]


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "—" if value is None else ("yes" if value else "no")
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return " to ".join(map(_text, value)) if len(value) == 2 else ", ".join(map(_text, value))
    if isinstance(value, dict):
        return "; ".join(f"{name} {_text(part)}" for name, part in value.items())
    return str(value)


class ModelPagesMixin(PagesMixin):
    """Mixin of the admin of models: a link to the comparison in the list."""

    pages = {"compare": show_comparison}

    def get_list_display(self, request):
        return (*super().get_list_display(request), "look")

    @admin.display(description="")
    def look(self, model: TrainedModel) -> str:
        return format_html('<a href="{}">Compared</a>', link_to_page(model, "compare"))
