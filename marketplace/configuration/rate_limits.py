"""The settings that limit how much a caller may ask for."""

from pydantic import Field
from pydantic_settings import BaseSettings


class RateLimits(BaseSettings):
    """Requests that one caller has a minute."""

    logins_per_minute: int = Field(
        10,
        ge=0,
        description="Attempts to log in by one name from one address; ten times as many by one name from "
        "anywhere, and from one address by any name. 0: any.",
    )
    photo_searches_per_minute: int = Field(
        60,
        ge=0,
        description="Photo queries of one caller (POST `search/`, `classify/`, `/predict/`); ten times as "
        "many from one address. 0: any.",
    )
    uploads_per_minute: int = Field(
        120,
        ge=0,
        description="Photos that one caller adds to listings; ten times as many from one address. 0: any.",
    )
    listing_writes_per_minute: int = Field(
        60,
        ge=0,
        description="Listings that one caller publishes, edits or moves to another status; "
        "ten times as many from one address. 0: any.",
    )
    events_per_minute: int = Field(
        1200, ge=0, description="Events of one caller; ten times as many from one address. 0: any."
    )
    new_visitors_per_minute: int = Field(
        30, ge=0, description="Visitors of one address whose first event is taken. 0: any."
    )
    kept_pages_per_minute: int = Field(
        120,
        ge=0,
        description="Pages of one anonymous visitor that are stored as slates; ten times as many from one "
        "address. Further pages are served and not stored. 0: any.",
    )
    service_rate_factor: int = Field(
        1000, ge=1, description="Limits of a service, as a multiple of a person's, from any address."
    )
