"""Worlds to analyse: replayed feeds, a stopped experiment, and simulated shoppers."""

import io
from datetime import timedelta

import numpy as np
import pytest
from django.core.management import call_command

from listings.announcing import catalogue_transaction
from listings.models import Actor
from recommendations.analysis.experiment_outcomes import read_outcome
from recommendations.analysis.off_policy import evaluate_policy
from recommendations.analysis.off_policy_candidates import Policy
from recommendations.interactions.simulation import simulate
from recommendations.models.experiments import Experiment, Variant
from recommendations.slates import store
from recommendations.slates.store import SlateDraft
from recommendations.training import source_weights
from tests import factories
from tests.recommendations.analysis.replayed_world import (
    World,
)
from tests.recommendations.past import Past

HOUR = timedelta(hours=1)
METHODS = ["popularity", "content", "blend"]


@pytest.fixture
def world(alice, now) -> World:
    return World(alice, now)


@pytest.fixture
def small_world(alice, now) -> World:
    return World(alice, now, slate_count=150)


@pytest.fixture
def ask(now):
    """ask({"ranker": None}): the result of a replay; the default reward is clicks."""
    return lambda policy, reward="click": evaluate_policy(Policy.from_json(policy), reward=reward, now=now)


@pytest.fixture
def experiment(db, now) -> Experiment:
    """An experiment that ran for ten days and stopped ten days ago."""
    made = Experiment.objects.create(
        name="bolder", status="stopped", starts_at=now - 480 * HOUR, ends_at=now - 240 * HOUR
    )
    Variant.objects.create(experiment=made, name="bold", parameters={"explore_share": 0.3})
    Variant.objects.create(experiment=made, name="control")
    return made


@pytest.fixture
def serve(experiment, now):
    """serve(bob, [sofa], "bold"): returns the slate's id; hours count from the start of the experiment."""

    def write(actor, listings, variant, *, hours=1, pages=None, name="bolder") -> str:
        at = experiment.starts_at + hours * HOUR
        draft = SlateDraft(
            surface="feed",
            actor=actor,
            listing_ids=[listing.pk for listing in listings],
            feature_names=(),
            features=np.empty((len(listings), 0), np.float32),
            propensities=np.ones(len(listings), np.float32),
            reasons=["fresh"] * len(listings),
            seed=0,
            parameters={"limit": 20, "experiment": name, "variant": variant},
        )
        slate_id = store.write(draft, now=at)
        for offset, count in [(0, len(listings))] if pages is None else pages:
            store.log_impression(slate_id, offset=offset, count=count, now=at)
        return slate_id

    return write


@pytest.fixture
def does(experiment):
    """does(bob, sofa, "click", hours=2), from the start of the experiment."""
    return lambda who, what, kind="click", *, hours=2: factories.event(
        who, what, kind, at=experiment.starts_at + hours * HOUR
    )


@pytest.fixture
def arms(experiment, now):
    """arms()["bold"]: the outcomes of that variant."""
    return lambda: {arm.name: arm for arm in read_outcome("bolder", now=now).arms}


@pytest.fixture
def crowd(serve, does, sofas):
    """Ten of each variant are served six sofas; six of the control click one, eight of the others two."""
    for variant, clicking, clicks in (("control", 6, 1), ("bold", 8, 2)):
        for number in range(10):
            actor = Actor.objects.create(external_id=f"{variant}-{number}")
            serve(actor, sofas, variant)
            for sofa in sofas[: clicks * (number < clicking)]:
                does(actor, sofa)


@pytest.fixture
def past(alice, encoder, now) -> Past:
    return Past(alice, encoder, now)


@pytest.fixture
def shoppers(past, now):
    """Simulated shoppers over four kinds of listing, which were imported after all events."""
    with catalogue_transaction():
        for number in range(48):
            path, name = f"Kind {number % 4} / All", f"sofa-{number:02}"
            about = {"path": path, "price": 20 + number, "external_id": name}
            past.embed(factories.listing(past.seller, f"Blue sofa {number}", **about), direction=number % 4)
    simulate(shopper_count=40, seed=2, now=now)


@pytest.fixture
def evaluate(shoppers, monkeypatch):
    """`evaluate(...)` runs the command with few methods and returns what it printed."""
    monkeypatch.setattr(source_weights, "LEAST_CASES", 5)

    def run(*words: str, methods=METHODS) -> str:
        out = io.StringIO()
        call_command("evaluate", "--k", "5", *words, "--methods", *methods, stdout=out)
        return out.getvalue()

    return run
