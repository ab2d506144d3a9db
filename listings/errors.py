"""Base classes of domain errors. Services raise subclasses, which are defined beside them.

marketplace/errors.py turns them into problem+json responses; commands print them in one line.
"""


class DomainError(Exception):
    """A request that cannot be fulfilled. `field` names the input field to correct, if there is one."""

    def __init__(self, detail: str, *, field: str | None = None):
        super().__init__(detail)
        self.detail = detail
        self.field = field


class Invalid(DomainError):
    """The input is invalid (400)."""


class Forbidden(DomainError):
    """The caller lacks permission (403)."""


class Missing(DomainError):
    """The object does not exist, or this caller may not see it (404)."""


class Conflict(DomainError):
    """The request conflicts with the current state (409)."""


class Unavailable(DomainError):
    """The request cannot be served now; a retry may succeed (503)."""
