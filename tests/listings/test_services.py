from decimal import Decimal
from threading import Barrier, Thread

import pytest
from django.db import connections
from django.utils import timezone

from listings import photo_services, services
from listings.categories import tree
from listings.categories.tree import NoSuchCategory
from listings.errors import Conflict, Invalid
from listings.models import Actor, Category, Listing, Writer
from listings.photos import processing
from listings.services import NotForSale, StaleVersion
from tests import factories


class TestCreating:
    def test_a_new_listing_is_active_and_announced(self, alice, announced):
        sofa = factories.listing(alice)
        assert sofa.status == Listing.Status.ACTIVE
        assert announced == [[sofa.pk]]

    def test_a_listing_without_an_id_gets_a_new_one(self, alice):
        assert factories.listing(alice).external_id != factories.listing(alice).external_id

    def test_creating_a_listing_under_an_id_that_is_taken_is_a_conflict(self, alice, bob):
        factories.listing(alice, external_id="sofa-1")
        with pytest.raises(Conflict) as refusal:
            factories.listing(bob, external_id="sofa-1")
        assert refusal.value.field == "id"
        assert Listing.objects.get().seller == alice

    def test_a_listing_created_as_a_draft_stays_a_draft(self, alice):
        assert factories.listing(alice, status="draft").status == Listing.Status.DRAFT


class TestEditing:
    def test_an_edit_changes_the_listing_and_announces_it(self, sofa, announced):
        edited = services.edit_listing(listing=sofa, title="Green sofa", price=Decimal(40))
        assert (edited.title, edited.price) == ("Green sofa", 40)
        assert announced == [[sofa.pk]]

    def test_an_edit_that_changes_nothing_is_not_announced(self, sofa, announced):
        services.edit_listing(listing=sofa, title=sofa.title, price=sofa.price)
        assert announced == []

    @pytest.mark.parametrize("field", ["status", "seller", "buyer", "content_version", "created_at"])
    def test_fields_that_a_verb_sets_cannot_be_edited(self, sofa, field):
        with pytest.raises(Invalid, match=field):
            services.edit_listing(listing=sofa, **{field: "sold"})

    @pytest.mark.parametrize(
        ("content", "grows"),
        [
            ({"title": "Green sofa"}, True),
            ({"description": "Two seats."}, True),
            ({"title": "Green sofa", "description": "Two seats."}, True),
            ({"price": Decimal(1)}, False),
            ({"condition": "good"}, False),
            ({"latitude": 51.5, "longitude": -0.1}, False),
            ({"source_version": 7}, False),
        ],
    )
    def test_new_words_make_a_new_content_version_and_other_edits_do_not(self, sofa, content, grows):
        edited = services.edit_listing(listing=sofa, **content)
        assert edited.content_version == sofa.content_version + grows

    def test_an_edit_of_the_category_makes_no_new_content_version(self, sofa):
        chairs = factories.category("Home & Garden / Chairs")
        assert services.edit_listing(listing=sofa, category=chairs).content_version == sofa.content_version


class TestErasedMeanwhile:
    """A process that loaded a listing before its seller was erased must not write it afterwards."""

    @pytest.mark.parametrize(
        "verb",
        [
            lambda listing: services.edit_listing(listing=listing, title="My old sofa"),
            lambda listing: photo_services.add_photo(
                listing=listing, received=processing.receive(factories.picture())
            ),
            lambda listing: services.publish(listing=listing),
        ],
    )
    @pytest.mark.parametrize("changed", ["external_id", "seller"])
    def test_no_verb_writes_a_listing_that_was_erased_meanwhile(
        self, sofa, verb, changed, announced, settings
    ):
        to = {"external_id": "nobodys", "seller": factories.actor("nobody")}[changed]
        Listing.objects.filter(pk=sofa.pk).update(status="withdrawn", title="Erased", **{changed: to})
        with pytest.raises(services.ListingErased):
            verb(sofa)
        emptied = Listing.objects.get(pk=sofa.pk)
        assert (emptied.title, emptied.status, emptied.photos.count()) == ("Erased", "withdrawn", 0)
        assert not list(settings.MEDIA_ROOT.rglob("*.jpg"))


class TestSourceVersions:
    @pytest.fixture
    def third(self, alice) -> Listing:
        return factories.listing(alice, source_version=3)

    def test_an_edit_with_an_older_source_version_is_stale_and_changes_nothing(self, third, announced):
        with pytest.raises(StaleVersion, match="source_version 3"):
            services.edit_listing(listing=third, title="Old news", source_version=2)
        third.refresh_from_db()
        assert (third.title, third.source_version) == ("Blue sofa", 3)
        assert announced == []

    @pytest.mark.parametrize("version", [3, 4])
    def test_an_edit_with_the_same_or_a_newer_source_version_is_written(self, third, version):
        edited = services.edit_listing(listing=third, title="News", source_version=version)
        assert (edited.title, edited.source_version) == ("News", version)

    @pytest.mark.parametrize("nothing", [{}, {"source_version": None}])
    def test_an_edit_without_a_source_version_leaves_it_as_it_is(self, third, nothing):
        assert services.edit_listing(listing=third, title="News", **nothing).source_version == 3


class TestStatuses:
    VERBS = {
        "publish": services.publish,
        "reserve": services.reserve,
        "release": services.release,
        "withdraw": services.withdraw,
        "sell": lambda listing: services.mark_sold(listing=listing, buyer=None, now=timezone.now()),
    }
    ALLOWED = {
        "publish": {"draft": "active", "withdrawn": "active"},
        "reserve": {"active": "reserved"},
        "release": {"reserved": "active"},
        "withdraw": dict.fromkeys(["draft", "active", "reserved", "withdrawn"], "withdrawn"),
        "sell": {"active": "sold", "reserved": "sold"},
    }

    @pytest.mark.parametrize("verb", VERBS)
    @pytest.mark.parametrize("status", Listing.Status.values)
    def test_each_verb_changes_the_status_only_from_those_allowed(self, sofa, verb, status, announced):
        sold_at = timezone.now() if status == "sold" else None
        Listing.objects.filter(pk=sofa.pk).update(status=status, sold_at=sold_at)
        expected = self.ALLOWED[verb].get(status)
        if expected:
            assert self.VERBS[verb](listing=sofa).status == expected
            assert announced == [[sofa.pk]]
        else:
            with pytest.raises(NotForSale, match=f"is {status}"):
                self.VERBS[verb](listing=sofa)
            assert announced == []
        sofa.refresh_from_db()
        assert sofa.status == (expected or status)

    @pytest.mark.parametrize("by", Writer)
    @pytest.mark.parametrize("other", Writer)
    def test_only_the_kind_of_caller_who_withdrew_a_listing_puts_it_back(self, sofa, by, other):
        assert services.withdraw(listing=sofa, by=by).withdrawn_by == by
        if other == by:
            published = services.publish(listing=sofa, by=other)
            assert (published.status, published.withdrawn_by) == ("active", "")
        else:
            with pytest.raises(services.WithdrawnByAnother):
                services.publish(listing=sofa, by=other)
            assert Listing.objects.get().status == "withdrawn"

    @pytest.mark.parametrize("first", Writer)
    @pytest.mark.parametrize("second", Writer)
    def test_a_second_withdrawal_counts_as_that_of_the_higher_rank(self, sofa, first, second):
        services.withdraw(listing=sofa, by=first)
        expected = max(first, second, key=list(Writer).index)
        assert services.withdraw(listing=sofa, by=second).withdrawn_by == expected

    def test_where_nobody_noted_who_withdrew_it_anyone_who_may_puts_it_back(self, sofa):
        Listing.objects.filter(pk=sofa.pk).update(status="withdrawn")
        assert services.publish(listing=sofa).status == "active"

    def test_a_sale_stores_its_buyer_and_time(self, sofa, bob, now):
        sold = services.mark_sold(listing=sofa, buyer=bob, now=now)
        assert (sold.buyer, sold.sold_at) == (bob, now)

    def test_a_verb_reads_the_status_again_from_the_database(self, sofa, bob, now):
        stale_copy = Listing.objects.get(pk=sofa.pk)
        services.mark_sold(listing=sofa, buyer=bob, now=now)
        with pytest.raises(NotForSale):
            services.reserve(listing=stale_copy)

    @pytest.mark.django_db(transaction=True)
    def test_of_two_buyers_at_once_one_succeeds(self, transactional_db, now):
        sofa = factories.listing(Actor.objects.create(external_id="alice"))
        buyers = [Actor.objects.create(external_id=name) for name in ("bob", "charlie")]
        together, outcomes = Barrier(2), {}

        def buy(buyer: Actor) -> None:
            together.wait()
            try:
                services.mark_sold(listing=sofa, buyer=buyer, now=now)
                outcomes[buyer.pk] = "sold"
            except NotForSale:
                outcomes[buyer.pk] = "refused"
            finally:
                connections.close_all()

        threads = [Thread(target=buy, args=[buyer]) for buyer in buyers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes.values()) == ["refused", "sold"]
        assert outcomes[Listing.objects.get().buyer_id] == "sold"


class TestCategories:
    def test_a_new_category_path_creates_its_parents_and_root(self, db):
        sofas = tree.ensure_category("Home / Garden / Sofas")
        assert (sofas.parent.path, sofas.root.path) == ("Home / Garden", "Home")
        assert sofas.parent.parent.parent is None
        assert Category.objects.count() == 3

    def test_ensuring_a_category_twice_creates_it_once(self, db):
        assert tree.ensure_category("Home / Sofas") == tree.ensure_category("  Home /  Sofas ")
        assert Category.objects.count() == 2

    def test_a_slash_without_spaces_belongs_to_the_categorys_name(self, db):
        assert tree.ensure_category("Ham/Amateur Radios").name == "Ham/Amateur Radios"

    @pytest.mark.parametrize("path", ["", " ", " / ", "Home / ", " / Sofas"])
    def test_a_category_path_with_an_empty_part_is_refused(self, db, path):
        with pytest.raises(Invalid):
            tree.ensure_category(path)
        assert not Category.objects.exists()

    def test_finding_an_unknown_category_is_refused_by_name(self, db):
        with pytest.raises(NoSuchCategory, match="Sofass"):
            tree.find_category("Sofass")
