"""What the OpenAPI document says of credentials."""

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


class CallerScheme(OpenApiAuthenticationExtension):
    """Any one of the credentials; to read needs none."""

    target_class = "marketplace.authentication.CallerAuthentication"
    name = list(SCHEMES)

    def get_security_requirement(self, auto_schema) -> list[dict[str, list]]:
        anyone = [{}] if auto_schema.method in READ_METHODS else []
        return [{name: []} for name in self.name] + anyone

    def get_security_definition(self, auto_schema) -> list[dict[str, str]]:
        return list(SCHEMES.values())


class SummarisedSchema(AutoSchema):
    """The first sentence of a view's docstring stands beside its address."""

    def get_summary(self) -> str | None:
        return super().get_summary() or self.get_description().split(".")[0].split("\n")[0]
