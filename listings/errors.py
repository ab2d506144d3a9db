"""The five ways in which a verb refuses. Typed errors beside the verbs inherit from one of them.

marketplace/errors.py turns them into problem+json; commands print them in one line.
"""


class DomainError(Exception):
    """Something a caller did cannot be done. `field` names what to mend, where there is such a thing."""

    def __init__(self, detail: str, *, field: str | None = None):
        super().__init__(detail)
        self.detail = detail
        self.field = field


class Invalid(DomainError):
    """What was sent does not hold together."""


class Forbidden(DomainError):
    """The caller may not do this."""


class Missing(DomainError):
    """There is no such thing, or not for this caller."""


class Conflict(DomainError):
    """It clashes with how things are now."""


class Unavailable(DomainError):
    """It cannot be answered just now; trying again later may help."""
