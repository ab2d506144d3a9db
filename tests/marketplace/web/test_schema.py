"""The addresses around the API, and the OpenAPI document that describes it."""

import re

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema


@pytest.fixture(scope="module")
def schema() -> dict:
    GENERATOR_STATS.reset()
    return SchemaGenerator().get_schema(request=None, public=True)


def endpoints(patterns=None, prefix: str = "/") -> set[str]:
    """Every address below /api/v1/, in OpenAPI's spelling."""
    addresses = set()
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            addresses |= endpoints(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern) and path.startswith("/api/v1/"):
            addresses.add(path.replace("<str:", "{").replace(">", "}"))
    return addresses


class TestSchema:
    def test_the_openapi_document_is_generated_without_a_warning(self, schema):
        assert not GENERATOR_STATS._warn_cache
        assert not GENERATOR_STATS._error_cache

    def test_the_openapi_document_is_valid(self, schema):
        validate_schema(schema)

    def test_every_endpoint_is_in_the_openapi_document(self, schema):
        assert set(schema["paths"]) == endpoints()

    def test_every_operation_has_a_summary_or_description_and_a_tag(self, schema):
        for path, operations in schema["paths"].items():
            for method, operation in operations.items():
                assert operation.get("description") or operation.get("summary"), (method, path)
                assert operation["tags"] not in ([], ["api"]), (method, path)

    def test_every_operation_describes_its_errors_as_problem_json(self, schema):
        assert "Problem" in schema["components"]["schemas"]
        for operations in schema["paths"].values():
            for operation in operations.values():
                assert [*operation["responses"]["default"]["content"]] == ["application/problem+json"]
                assert "x-limited" not in operation

    def test_rate_limited_operations_describe_a_429(self, schema):
        limited = {
            (method, path)
            for path, operations in schema["paths"].items()
            for method, operation in operations.items()
            if "429" in operation["responses"]
        }
        one = "/api/v1/listings/{listing_id}/"
        verbs = ("publish", "release", "reserve", "sold", "withdraw")
        assert limited == {
            ("post", "/api/v1/login/"),
            ("post", "/api/v1/search/"),
            ("post", "/api/v1/classify/"),
            ("post", "/api/v1/interactions/"),
            ("post", "/api/v1/categories/move/"),
            ("post", "/api/v1/categories/remove/"),
            ("post", "/api/v1/listings/"),
            ("put", "/api/v1/listings/batch/"),
            ("patch", one),
            ("delete", one),
            ("post", f"{one}photos/"),
            ("delete", f"{one}photos/{{photo_id}}/"),
            *(("post", f"{one}{verb}/") for verb in verbs),
        }

    def test_the_openapi_document_says_how_to_authenticate(self, schema):
        assert set(schema["components"]["securitySchemes"]) == {"token", "service_key", "session", "visitor"}
        listings = schema["paths"]["/api/v1/listings/"]
        assert {} in listings["get"]["security"]
        assert {} not in listings["post"]["security"]

    def test_what_is_no_price_does_not_fit_the_document_either(self, schema):
        new = schema["components"]["schemas"]["NewListingRequest"]["properties"]["price"]
        feed = schema["paths"]["/api/v1/feed/"]["get"]["parameters"]
        minimum = next(parameter["schema"] for parameter in feed if parameter["name"] == "min_price")
        for pattern in (new["pattern"], minimum["pattern"]):
            assert [bool(re.search(pattern, text)) for text in ("5", "5.00", "", "-5", "1e50", "5.")] == [
                *(True, True, False, False, False, False)
            ]

    def test_the_filters_of_the_listings_are_described(self, schema):
        names = {parameter["name"] for parameter in schema["paths"]["/api/v1/listings/"]["get"]["parameters"]}
        assert {"category", "min_price", "max_price", "condition", "seller", "cursor", "limit"} <= names
