"""Additions to the OpenAPI document: credentials, errors and rate limits."""

from collections.abc import Iterator

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from listings.callers import READ_METHODS

SCHEMES = {
    "token": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "A person's token from `login/`: `Token ...`.",
    },
    "service_key": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "A service's key from `manage.py issue_key`: `Api-Key ...`.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "sessionid",
        "description": "A person who is logged in; writes need the CSRF token too.",
    },
    "visitor": {
        "type": "apiKey",
        "in": "cookie",
        "name": "visitor",
        "description": "A visitor, known since their first event.",
    },
}


PROBLEM = {
    "type": "object",
    "description": "RFC 9457.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, for a person."},
        "errors": {
            "type": "array",
            "description": "The fields to mend.",
            "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
AFTER = {"Retry-After": {"description": "In so many seconds.", "schema": {"type": "integer"}}}


# REST framework's pattern of decimals takes an empty text and a sign, which the code refuses.
LOOSE_DECIMAL, DECIMAL = r"^-?\d{0,10}(?:\.\d{0,2})?$", r"^\d{1,10}(?:\.\d{1,2})?$"
LARGEST_PRICE = 9_999_999_999.99


def refuse_what_is_no_price(result: dict, generator: object, request: object, public: bool) -> dict:
    """drf-spectacular hook: prices are as strict as the code that reads them."""
    for schema in _schemas_in(result):
        if schema.get("pattern") == LOOSE_DECIMAL:
            schema["pattern"] = DECIMAL
    for operations in result["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if (
                    parameter["name"] in ("min_price", "max_price")
                    and parameter["schema"]["type"] == "number"
                ):
                    parameter["schema"] |= {"minimum": 0, "maximum": LARGEST_PRICE}
    return result


def _schemas_in(part: object) -> Iterator[dict]:
    """Every object within a part of the document."""
    if isinstance(part, dict):
        yield part
    inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    for value in inner:
        yield from _schemas_in(value)


def add_problems(result: dict, generator: object, request: object, public: bool) -> dict:
    """drf-spectacular hook: add the error response to every operation, and 429 to those with a rate limit."""
    result["components"]["schemas"]["Problem"] = PROBLEM
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operations in result["paths"].values():
        for operation in operations.values():
            if operation.pop("x-limited", False):
                too_many = {"description": "Too much at once.", "headers": AFTER, "content": content}
                operation["responses"]["429"] = too_many
            operation["responses"]["default"] = {"description": "An error.", "content": content}
    return result


class CallerScheme(OpenApiAuthenticationExtension):
    """Any of the credentials is accepted. Reading needs none."""

    target_class = "marketplace.web.authentication.CallerAuthentication"
    name = list(SCHEMES)

    def get_security_requirement(self, auto_schema) -> list[dict[str, list]]:
        anyone: list[dict[str, list]] = [{}] if auto_schema.method in READ_METHODS else []
        return [{name: []} for name in self.name] + anyone

    def get_security_definition(self, auto_schema) -> list[dict[str, str]]:
        return list(SCHEMES.values())


class SummarisedSchema(AutoSchema):
    """Uses the first sentence of a view's docstring as the summary."""

    def get_summary(self) -> str | None:
        return super().get_summary() or self.get_description().split(".")[0].split("\n")[0]

    def get_extensions(self) -> dict[str, object]:
        """A mark for add_problems, which removes it."""
        is_limited = hasattr(self.view, "rate_limit") and self.method not in READ_METHODS
        return {"x-limited": True} if is_limited else {}
