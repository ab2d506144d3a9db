"""Search, similar and recommend store slates, as the feed does."""

import pytest

from listings.announcing import catalogue_transaction
from recommendations.models.events import Interaction
from recommendations.models.slates import Impression, Slate
from recommendations.slates import store
from tests import factories

BOT = {"User-Agent": "Googlebot/2.1 (+http://www.google.com/bot.html)"}


@pytest.fixture(autouse=True)
def hurried(settings):
    """No worker encodes: words alone are searched by, and nobody waits for it."""
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"encode_timeout_s": 0.02})


@pytest.fixture
def sofas(alice, follow):
    with catalogue_transaction():
        made = [factories.listing(alice, f"Blue sofa {number}") for number in range(4)]
    follow()
    return made


def answer_to(client, surface: str, sofas, headers=None):
    """One request of each kind, which finds sofas."""
    match surface:
        case "search":
            return client.get("/api/v1/search/", {"q": "sofa"}, headers=headers)
        case "similar":
            return client.get(f"/api/v1/listings/{sofas[0].external_id}/similar/", headers=headers)
        case "recommend":
            body = {"positive": [sofas[0].external_id]}
            return client.post("/api/v1/recommend/", body, format="json", headers=headers)


SURFACES = ["search", "similar", "recommend"]


@pytest.mark.parametrize("surface", SURFACES)
class TestSlates:
    def test_a_page_is_stored_as_a_slate_with_one_impression(self, surface, as_bob, bob, sofas):
        page = answer_to(as_bob, surface, sofas).json()
        slate = Slate.objects.get()
        assert (slate.pk.hex, slate.surface, slate.actor) == (page["slate_id"], surface, bob)
        by_id = {sofa.external_id: sofa.pk for sofa in sofas}
        assert slate.listing_ids == [by_id[item["listing"]["id"]] for item in page["items"]]
        scores = store.features_of(slate)[:, slate.feature_names.index("score")]
        assert scores.tolist() == pytest.approx([item["score"] for item in page["items"]], rel=1e-5)
        assert Impression.objects.values_list("offset", "count").get() == (0, len(page["items"]))

    def test_crawlers_get_results_and_leave_no_slate(self, surface, anyone, sofas):
        page = answer_to(anyone, surface, sofas, headers=BOT).json()
        assert page["items"]
        assert page["slate_id"] is None
        assert not Slate.objects.exists()

    def test_anonymous_callers_above_the_limit_leave_no_slate_and_members_do(
        self, surface, anyone, as_bob, sofas, settings
    ):
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"kept_pages_per_minute": 2})
        pages = [answer_to(client, surface, sofas).json() for client in [anyone] * 3 + [as_bob] * 3]
        assert all(page["items"] for page in pages)
        assert [page["slate_id"] is None for page in pages] == [False, False, True, False, False, False]
        assert Slate.objects.count() == 5

    def test_an_event_may_name_the_slate_of_its_page(self, surface, as_bob, bob, sofas):
        page = answer_to(as_bob, surface, sofas).json()
        body = {
            "event_id": "1",
            "listing": page["items"][0]["listing"]["id"],
            "kind": "click",
            "slate": page["slate_id"],
            "position": 0,
        }
        sent = as_bob.post("/api/v1/interactions/", body, format="json").json()
        assert sent["results"][0]["outcome"] == "accepted"
        assert Interaction.objects.get().slate == page["slate_id"]


def test_a_search_slate_records_its_query_and_an_empty_result_leaves_no_slate(as_bob, sofas):
    as_bob.get("/api/v1/search/", {"q": "sofa", "max_price": "80"})
    parameters = Slate.objects.get().parameters
    assert parameters["words"] == "sofa"
    assert parameters["filters"] == {"max_price": "80.00"}
    as_bob.get("/api/v1/search/", {"q": "sofa", "max_price": "1"})
    assert Slate.objects.count() == 1
