"""Alice, the visitor she was, and rows of every kind about her."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from listings import services
from listings.models import Actor, PhotoSource
from marketplace.models import PersonToken, StaffAccess
from recommendations.indexing import compaction
from recommendations.models.boosts import Boost
from recommendations.models.doubts import Doubt
from recommendations.models.events import ParkedInteraction
from recommendations.models.slates import Slate
from recommendations.popularity import impression_counts, trending
from recommendations.ranking import boosts
from tests import factories
from tests.recommendations.offered import clicked, served
from tests.recommendations.privacy.traces import SECRET_WORDS, note, she_was_staff, staff_looked_after


@pytest.fixture
def visitor(alice):
    """The visitor that Alice was before she logged in."""
    return Actor.objects.create(
        external_id=Actor.new_visitor_id(), kind=Actor.Kind.VISITOR, merged_into=alice
    )


@pytest.fixture
def life(alice, bob, charlie, visitor, follow, now):
    """Rows of every kind about Alice, and rows about Bob that involve her."""
    hers = factories.listing(
        alice, SECRET_WORDS, description="Ring Alice at noon", latitude=51.5, longitude=-0.1
    )
    factories.photo(hers)
    url = "https://photos.example/alice/chair.jpg"
    PhotoSource.objects.create(listing=hers, external_id="named", url=url, try_after=now)
    sold = factories.listing(alice, "Lamp of Alice")
    his = factories.listing(bob, "Table of Bob")
    bought = factories.listing(bob, "Vase of Bob")
    services.mark_sold(listing=sold, buyer=bob, now=now)
    services.mark_sold(listing=bought, buyer=alice, now=now)
    follow()
    compaction.compact(least_changes=0)
    for actor, listing in ((alice, his), (visitor, bought), (bob, hers), (charlie, his)):
        factories.event(actor, listing, "favourite")
    clicked(alice, his, served(alice, [his], now), now)
    served(bob, [his, hers], now)
    ParkedInteraction.objects.create(
        source="tests",
        event_id="parked",
        actor=alice,
        listing_external_id="later",
        kind="view",
        occurred_at=now,
    )
    Doubt.objects.create(actor=alice, reason=Doubt.Reason.LIKENESS, share=0.5, evidence="a circle")
    boost = Boost(seller=alice, factor=2, starts_at=now, ends_at=now + timedelta(days=1))
    boosts.save_boost(boost, by="staff", now=now)
    StaffAccess.objects.create(by="staff", whose=alice, what="feed")
    PersonToken.objects.create(alice.user)
    Client().login(username="alice", password=factories.PASSWORD)
    staff = User.objects.create_user("staff", is_staff=True)
    note(staff, alice, hers, boost, his)
    she_was_staff(alice, bob, his, now)
    staff_looked_after(alice, hers, sold, staff, now)
    for parameters in ({"listing": hers.external_id}, {"positive": [his.external_id, hers.external_id]}):
        slate = served(bob, [bought], now - timedelta(days=1))
        Slate.objects.filter(pk=slate).update(parameters={"limit": 20, "negative": [], **parameters})
    trending.roll_up(now=now)
    impression_counts.roll_up(now=now)
    return {"hers": hers, "sold": sold, "his": his, "bought": bought}
