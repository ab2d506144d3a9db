"""Every error of the API is RFC 9457 problem+json."""

import pytest
from django.db import IntegrityError, OperationalError
from django.http import Http404
from rest_framework.exceptions import Throttled

from listings.errors import Conflict, DomainError, Forbidden, Invalid, Missing, Unavailable
from marketplace.web.errors import problem

LISTINGS = "/api/v1/listings/"
TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    409: "Conflict",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


@pytest.fixture
def replies(anyone, as_alice, as_charlie, sofa):
    """A request for each expected status."""
    own = f"{LISTINGS}{sofa.external_id}/"
    return {
        400: lambda: as_alice.post(LISTINGS, {"title": ""}),
        401: lambda: anyone.post(LISTINGS, {}),
        403: lambda: as_charlie.delete(own),
        404: lambda: anyone.get(f"{LISTINGS}nothing/"),
        405: lambda: as_alice.put(LISTINGS, {}),
        406: lambda: anyone.get(LISTINGS, HTTP_ACCEPT="application/xml"),
        409: lambda: as_alice.post(f"{own}release/"),
        415: lambda: as_alice.post(LISTINGS, "title=x", content_type="text/plain"),
        429: lambda: [anyone.post("/api/v1/login/", {"username": "x"}) for _ in range(11)][-1],
        503: lambda: anyone.get(f"{own}similar/"),
    }


class TestShape:
    @pytest.mark.parametrize("status", TITLES)
    def test_an_error_of_each_status_is_problem_json_with_its_members(self, replies, status):
        response = replies[status]()
        body = response.json()
        assert response.status_code == status
        assert response.headers["Content-Type"] == "application/problem+json"
        assert (body["type"], body["title"], body["status"]) == ("about:blank", TITLES[status], status)
        assert body["detail"]
        assert set(body) <= {"type", "title", "status", "detail", "errors"}

    def test_a_405_lists_the_allowed_methods(self, replies):
        assert replies[405]().headers["Allow"] == "GET, POST, HEAD, OPTIONS"

    def test_a_401_says_how_to_authenticate(self, replies):
        assert replies[401]().headers["WWW-Authenticate"] == "Api-Key"

    @pytest.mark.parametrize("status", [429, 503])
    def test_a_429_and_a_503_say_when_to_try_again(self, replies, status):
        assert int(replies[status]().headers["Retry-After"]) >= 1

    def test_a_get_without_the_final_slash_is_redirected(self, client, db):
        response = client.get("/api/v1/listings?limit=3")
        assert (response.status_code, response["Location"]) == (301, "/api/v1/listings/?limit=3")

    def test_a_request_for_an_unknown_host_is_told_about_allowed_hosts(self, client, db):
        response = client.get("/livez", headers={"host": "elsewhere.example"})
        assert response.status_code == response.json()["status"] == 400
        assert "ALLOWED_HOSTS" in response.json()["detail"]

    @pytest.mark.parametrize(
        "path", ["/api/v1/nothing/", "/api/v2/listings/", "/api/", "/%00", "/api/v1/%FF/"]
    )
    def test_an_unknown_url_is_a_404_problem(self, client, db, path):
        response = client.get(path)
        assert response.status_code == response.json()["status"] == 404
        assert response.headers["Content-Type"] == "application/problem+json"


class TestFields:
    def errors_of(self, response) -> dict[str, str]:
        return {error["field"]: error["detail"] for error in response.json()["errors"]}

    def test_every_bad_field_is_named_in_an_error(self, as_alice, sofa):
        response = as_alice.post(LISTINGS, {"title": "", "price": "cheap"})
        assert set(self.errors_of(response)) == {"title", "price", "category"}
        assert "price: This is no price." in response.json()["detail"]

    def test_a_bad_row_of_a_list_is_named_by_its_path(self, as_service, db):
        response = as_service.put(f"{LISTINGS}batch/", {"listings": [{}, "x"]})
        assert set(self.errors_of(response)) == {"listings.1"}

    @pytest.mark.parametrize(
        ("method", "path", "field"),
        [
            ("post", "/api/v1/recommend/", "positive"),
            ("post", "/api/v1/recommend/", "negative"),
            ("post", "/api/v1/interactions/", "events"),
            ("put", f"{LISTINGS}batch/", "listings"),
        ],
    )
    def test_a_list_that_is_too_long_is_one_error_whatever_its_rows(self, as_staff, method, path, field):
        response = getattr(as_staff, method)(path, {"positive": ["1"], field: [[]] * 30_000})
        errors = {name: messages for name, messages in self.errors_of(response).items() if name == field}
        assert response.status_code == 400 and "no more than" in errors[field]
        assert len(response.json()["errors"]) == 1

    def test_at_most_a_hundred_field_errors_are_listed(self, as_service, db):
        response = as_service.put(f"{LISTINGS}batch/", {"listings": ["x"] * 500})
        assert (response.status_code, len(response.json()["errors"])) == (400, 100)

    def test_at_most_twenty_unknown_fields_are_listed(self, as_bob):
        body = {f"nothing-{number}": 1 for number in range(5_000)}
        reason = as_bob.post("/api/v1/interactions/", body).json()["results"][0]["reason"]
        assert reason.count("no such field") == 20

    def test_a_domain_error_names_its_field(self, as_alice, sofa):
        body = {"title": "x", "price": 1, "category": "Nowhere"}
        assert self.errors_of(as_alice.post(LISTINGS, body)) == {
            "category": "There is no category 'Nowhere'."
        }

    def test_a_problem_that_concerns_no_field_has_no_errors(self, anyone, db):
        assert "errors" not in anyone.get(f"{LISTINGS}nothing/").json()


class TestMapping:
    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (Invalid("x"), 400),
            (DomainError("x"), 400),
            (Forbidden("x"), 403),
            (Missing("x"), 404),
            (Conflict("x"), 409),
            (Unavailable("x"), 503),
            (Http404(), 404),
            (IntegrityError("duplicate key"), 409),
            (OperationalError("server closed the connection"), 503),
            (Throttled(wait=3), 429),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_each_kind_of_exception_has_its_status(self, error, status):
        response = problem(error, {})
        assert response.status_code == response.data["status"] == status

    def test_a_problem_does_not_quote_the_databases_error(self):
        response = problem(OperationalError("password authentication failed for user shop"), {})
        assert "shop" not in str(response.data)

    def test_a_programming_error_is_left_to_django(self):
        assert problem(ZeroDivisionError(), {}) is None

    def test_a_500_does_not_quote_the_error(self, client, db, monkeypatch):
        from listings import queries

        def broken():
            raise ZeroDivisionError("secret")

        monkeypatch.setattr(queries, "visible", broken)
        client.raise_request_exception = False
        response = client.get(LISTINGS)
        assert response.status_code == response.json()["status"] == 500
        assert "secret" not in response.content.decode()
