"""Every address, by every method, as every caller: compared with the table in docs/access.md."""

import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User
from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.http import HttpResponse
from django.urls import URLResolver, get_resolver, path
from rest_framework.settings import api_settings
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework.views import APIView

from listings import services
from listings.models import Actor
from marketplace.web.rate_limits import LIMITS
from tests import factories
from tests.conftest import client_of, service_client
from tests.factories import PASSWORD

# URLs of a site with a view that declares no permission; see TestAViewThatSaysNothing.
urlpatterns = [path("forgotten/", lambda request: HttpResponse("for whoever is logged in"))]

TABLE = Path(__file__).resolve().parents[3] / "docs" / "access.md"
PEOPLE = ("anyone", "visitor", "member", "owner", "staff", "plain staff")
CALLERS = (*PEOPLE, "feed", "events", "catalogue", "staff key")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
REFUSALS = {401, 403, 404, 405}
MEDIA, ADMIN = "/media/photos/...", "/admin/..."
FORMS = {  # what the pages of the shop send
    "/listing/<listing_id>/events/": {"kind": "view"},
    "/listing/<listing_id>/alike/": {},
    "/search/": {"q": "sofa"},
    "/shoppers/": {},
    "/sell/advice/": {"title": "Red chair"},
    "/login/": {"username": "charlie", "password": "guess"},
    "/logout/": {},
}
MODEL = r"/admin/(?!password_change)\w+/\w+/"
# These answer 503 while nothing is encoded or indexed. That is not a refusal.
UNPREPARED = re.compile(r"/readyz|/predict/|/api/v1/(classify|recommend)/|.*/similar/$")


@dataclass(frozen=True)
class Row:
    method: str
    address: str
    case: str
    answers: dict[str, str]  # by caller
    limit: str

    def __str__(self) -> str:
        return " ".join(filter(None, (self.method, self.address, self.case)))


def rows() -> list[Row]:
    listed_rows = []
    for line in TABLE.read_text().splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if line.startswith("| ") and cells[0] in ("any", *METHODS):
            method, address, case, *answers, limit = cells
            listed_rows.append(Row(method, address, case, dict(zip(CALLERS, answers, strict=True)), limit))
    return listed_rows


ROWS = rows()


def patterns(resolver=None, prefix: str = "/") -> dict[str, object]:
    """Every URL pattern of the site by its address, in the table's spelling."""
    by_address: dict[str, object] = {}
    for pattern in (resolver or get_resolver()).url_patterns:
        address = prefix + plain(str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            by_address |= patterns(pattern, address)
        else:
            by_address.setdefault(address, pattern)
    return by_address


def plain(route: str) -> str:
    route = re.sub(r"^\^|\$$", "", route)
    return "media/photos/..." if route.startswith("media/") else re.sub(r"<\w+:(\w+)>", r"<\1>", route)


ADDRESSES = patterns()
UNHURRIED = {"encode_timeout_s": 0.01} | dict.fromkeys((limit.setting for limit in LIMITS.values()), 0)
OUTSIDE_ADMIN = sorted(address for address in ADDRESSES if not address.startswith("/admin/"))
INSIDE_ADMIN = sorted({*ADDRESSES} - {*OUTSIDE_ADMIN} - {"/admin/login/"})


def listed(address: str) -> set[str]:
    return {row.method for row in ROWS if row.address == address}


@pytest.fixture
def world(db, settings, alice, charlie, as_staff) -> SimpleNamespace:
    """Alice's listing with a photo, a draft and a reserved one, and a client for each caller."""
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update=UNHURRIED)
    sofa = factories.listing(alice)
    draft = factories.listing(alice, status="draft")
    reserved = services.reserve(listing=factories.listing(alice))
    empty = factories.category("Nothing here")
    factories.actor("dora")
    clients = {"anyone": APIClient(), "visitor": visiting(), "member": client_of(charlie)}
    plain = factories.actor("plain")
    User.objects.filter(pk=plain.user_id).update(is_staff=True)
    clients |= {"owner": client_of(alice), "staff": as_staff, "plain staff": client_of(plain)}
    names = {"member": "charlie", "owner": "alice", "staff": "staff", "plain staff": "plain"}
    for caller, name in names.items():
        clients[caller].force_login(
            User.objects.get(username=name)
        )  # as well as the token, which the admin does not accept
    clients |= {scope: service_client(f"only {scope}", [scope]) for scope in ("feed", "events", "catalogue")}
    clients["staff key"] = service_client("only staff", ["staff"])
    photo = factories.photo(sofa)
    return SimpleNamespace(
        sofa=sofa, draft=draft, reserved=reserved, photo=photo, clients=clients, empty_category=empty
    )


def visiting() -> APIClient:
    visitor = Actor.objects.create(external_id=Actor.new_visitor_id(), kind=Actor.Kind.VISITOR)
    client = APIClient()
    client.cookies["visitor"] = signing.get_cookie_signer(salt="visitor").sign(visitor.external_id)
    return client


def ask(world: SimpleNamespace, caller: str, method: str, address: str, case: str = "") -> object:
    """The response to a valid request of this caller. Its changes are rolled back."""
    listing = {"a draft": world.draft, "reserved": world.reserved}.get(case, world.sofa)
    path = address.replace("<listing_id>", listing.external_id).replace("<photo_id>", world.photo.external_id)
    path = path.removesuffix("?").replace(MEDIA, f"/media/{world.photo.file.name}")
    body, form = body_for(world, caller, method, address, case)
    if caller == "anyone":
        world.clients[caller].cookies.clear()  # an event would have set the visitor cookie
    with transaction.atomic():
        reply = getattr(world.clients[caller], method.lower())(path, body, **form)
        transaction.set_rollback(True)
    return reply


def body_for(world: SimpleNamespace, caller: str, method: str, address: str, case: str) -> tuple:
    is_key = caller in ("feed", "events", "catalogue", "staff key")
    named = {"actor": "dora"} if case == "in another's name" else {}
    if address == "/admin/login/" and method == "POST":
        return {"username": "charlie", "password": "guess"}, {"format": "multipart"}
    if address == "/sell/":
        return {"title": "Red chair", "price": "5", "category": world.sofa.category.path}, {
            "format": "multipart"
        }
    if method == "POST" and address in FORMS:
        return FORMS[address], {"format": "multipart"}
    if method == "POST" and (address.startswith("/predict/") or address.endswith("/photos/")):
        field = "image" if address.startswith("/predict/") else "photo"
        return {field: SimpleUploadedFile("a.jpg", factories.picture())}, {"format": "multipart"}
    content = {"title": "Red chair", "price": "5", "category": world.sofa.category.path}
    seller = {"seller": "dora"} if named or is_key else {}
    bodies = {
        ("GET", "/api/v1/search/"): {"q": "sofa"} | named,
        ("GET", "/api/v1/feed/"): named,
        ("POST", "/api/v1/search/"): {"q": "sofa"} | named,
        ("POST", "/api/v1/login/"): {"username": "charlie", "password": PASSWORD},
        ("POST", "/api/v1/categories/move/"): {"path": world.sofa.category.path, "to": "Seats"},
        ("POST", "/api/v1/categories/remove/"): {"path": world.empty_category.path},
        ("POST", "/api/v1/recommend/"): {"positive": [world.sofa.external_id]},
        ("POST", "/api/v1/classify/"): {"title": "Red chair"},
        ("POST", "/api/v1/interactions/"): {
            **{"event_id": "1", "listing": world.sofa.external_id, "kind": "view"},
            **({"actor": "dora"} if is_key else {}),
        },
        ("POST", "/api/v1/listings/"): content | seller,
        ("PUT", "/api/v1/listings/batch/"): {"listings": [content | {"external_id": "9", "seller": "dora"}]},
        ("PATCH", "/api/v1/listings/<listing_id>/"): {"title": "Red sofa"},
    }
    body = bodies.get((method, address), {})
    if address == "/api/schema/":
        return body, {"HTTP_ACCEPT": "application/vnd.oai.openapi+json"}  # YAML is slow
    return body, {} if method == "GET" else {"format": "json"}


def outcome_of(reply, address: str) -> str:
    """The response in the table's terms."""
    if reply.status_code == 302 and reply.headers["Location"].startswith("/admin/login/"):
        return "login"
    is_done = reply.status_code < 400 or (reply.status_code == 503 and UNPREPARED.match(address))
    return "yes" if is_done else str(reply.status_code)


def answers(world: SimpleNamespace, row: Row) -> dict[str, tuple[str, str]]:
    """Actual and expected answers by caller, where they differ."""
    replies = {caller: ask(world, caller, row.method, row.address, row.case) for caller in CALLERS}
    outcomes = {caller: outcome_of(reply, row.address) for caller, reply in replies.items()}
    expected = row.answers
    return {who: (outcomes[who], expected[who]) for who in CALLERS if outcomes[who] != expected[who]}


class TestTheTable:
    def test_every_url_has_a_row_in_the_access_table_and_every_row_a_url(self):
        assert {row.address for row in ROWS} - {ADMIN, "/admin/login/"} == {*OUTSIDE_ADMIN}

    def test_no_row_of_the_access_table_is_repeated(self):
        assert len({str(row) for row in ROWS}) == len(ROWS)

    def test_the_access_table_states_the_answer_to_every_caller(self, world):
        single_rows = [row for row in ROWS if row.method != "any"]
        differences = {str(row): answers(world, row) for row in single_rows}
        assert {row: differences[row] for row in differences if differences[row]} == {}

    def test_methods_without_a_row_in_the_access_table_are_refused_for_everybody(self, world):
        statuses = {
            (method, address, caller): ask(world, caller, method, address).status_code
            for address in OUTSIDE_ADMIN
            for method in set(METHODS) - listed(address)
            for caller in ("anyone", "staff", "catalogue")
        }
        assert len(statuses) > 300
        assert {key: status for key, status in statuses.items() if status not in REFUSALS} == {}

    @pytest.mark.parametrize("row", [row for row in ROWS if row.method != "any"], ids=str)
    def test_the_access_table_states_the_rate_limit_of_every_method(self, row):
        view = getattr(ADDRESSES[row.address].callback, "cls", None)
        if view is not None:
            reads = row.method == "GET"
            assert row.limit == ("" if reads else getattr(view, "rate_limit", ""))


class TestTheAdmin:
    def test_only_staff_get_into_any_page_of_the_admin(self, world):
        row = next(row for row in ROWS if row.address == ADMIN)
        assert len(INSIDE_ADMIN) > 50
        assert [caller for caller in CALLERS if row.answers[caller] != "login"] == [
            "staff",
            "plain staff",
        ]
        # The admin treats all other callers like one of these.
        for caller, method in (("owner", "GET"), ("owner", "POST"), ("staff key", "GET"), ("anyone", "POST")):
            for address in INSIDE_ADMIN:
                path = re.sub(r"<\w+>", "1", address).replace("(?P1.*)", "x")
                reply = getattr(world.clients[caller], method.lower())(path)
                assert (caller, path, is_shut(reply)) == (caller, path, True)

    def test_staff_get_into_the_admin(self, world):
        for address in ("/admin/", "/admin/listings/listing/", "/admin/marketplace/servicekey/add/"):
            assert world.clients["staff"].get(address).status_code == 200

    def test_staff_without_permissions_see_no_model_in_the_admin(self, world):
        User.objects.filter(username="charlie").update(is_staff=True)
        for address in (address for address in INSIDE_ADMIN if re.fullmatch(MODEL, address)):
            assert (address, world.clients["member"].get(address).status_code) == (address, 403)


def is_shut(reply) -> bool:
    return reply.status_code == 404 or (reply.status_code == 302 and "/admin/" in reply.headers["Location"])


class TestAViewThatSaysNothing:
    def test_an_api_view_that_declares_no_permission_is_closed_to_everybody(self, world):
        class Forgotten(APIView):
            def get(self, request):
                pytest.fail("it was answered")

        for caller, client in world.clients.items():
            request = APIRequestFactory().get("/", **client._credentials)
            request.session, request.user = {}, User.objects.filter(is_superuser=True).first()
            reply = Forgotten.as_view()(request)
            assert (caller, reply.status_code) in [(caller, 401), (caller, 403)]

    def test_a_plain_view_that_declares_no_permission_requires_a_login(self, world, settings):
        settings.ROOT_URLCONF = __name__
        for caller, client in world.clients.items():
            reply = client.get("/forgotten/")
            is_person = caller in ("member", "owner", "staff", "plain staff")
            assert (caller, outcome_of(reply, "/forgotten/")) == (caller, "yes" if is_person else "login")

    def test_the_default_permission_of_the_api_is_nobody(self):
        assert [kind.__name__ for kind in api_settings.DEFAULT_PERMISSION_CLASSES] == ["Nobody"]
