"""Settings from environment variables, validated at start. A test compares docs/settings.md."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from marketplace.configuration.addresses import database_or_refuse, redis_or_refuse
from marketplace.configuration.rate_limits import RateLimits
from marketplace.configuration.values import (
    event_weights_or_refuse,
    in_one_line,
    is_weight,
    time_zone_or_refuse,
    weights_in,
)
from marketplace.servers import embedded

ROOT = Path(__file__).resolve().parent.parent.parent

# Default confidence of each kind of event: frequent views are weak, a message to a seller is strong.
EVENT_WEIGHTS = {"view": 1.0, "click": 1.5, "favourite": 4.0, "message": 6.0, "offer": 7.0, "purchase": 8.0}

Names = Annotated[list[str], NoDecode]
Weights = Annotated[dict[str, float], NoDecode]
Exponent = Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)]


class BadEnvironment(Exception):
    """Invalid variables. The message has one line for each."""


class Environment(RateLimits):
    """The settings with their descriptions and defaults."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore")

    secret_key: str | None = Field(
        None, min_length=32, description="Signs cookies and sessions. Made and kept under VAR when not set."
    )
    debug: bool = Field(False, description="Django's debug pages. Never on a machine that others reach.")
    allowed_hosts: Names = Field(
        ["localhost", "127.0.0.1", "[::1]"], description="Host names to answer to, with commas between."
    )
    csrf_trusted_origins: Names = Field(
        [],
        description="Origins whose forms are trusted, such as `https://shop.example`, with commas between.",
    )
    port: int = Field(8000, ge=1, le=65535, description="Where `make run` serves, on 127.0.0.1.")
    var: Path = Field(ROOT / "var", description="The folder for everything that is made at run time.")
    database_url: str | None = Field(
        None, description="`postgresql://...`. Its own PostgreSQL is started under VAR when not set."
    )
    redis_url: str | None = Field(
        None,
        description="`redis://...`, `rediss://...` or `unix://...`. Its own Redis is started when not set.",
    )
    image_backbone: str = Field(
        "efficientnet_lite2",
        description="The classifier whose inner layers describe a photo: efficientnet_lite2 with the weights "
        "of its package, any of torchvision, or drawn.",
    )
    image_weights: Path | None = Field(
        None,
        description="A safetensors or state-dict file for it. When not set: its package's, or torchvision's "
        "download.",
    )
    text_encoder: Literal["minilm", "ngrams"] = Field(
        "minilm",
        description="Text encoder: MiniLM sentence embeddings with n-grams, or n-grams alone.",
    )
    weights_download_timeout_s: float = Field(
        20,
        ge=0,
        allow_inf_nan=False,
        description="How long the one attempt to download weights may take; 0 does not try.",
    )
    currency: str = Field("GBP", pattern="^[A-Z]{3}$", description="The one currency, as its ISO 4217 code.")
    country: str = Field(
        "GB", pattern="^[A-Z]{2}$", description="Where adverts are placed, as ISO 3166 code."
    )
    unknown_places: Literal["note", "refuse"] = Field(
        "note", description="Whether a row of a batch with an unknown place is taken without it, or refused."
    )
    maximum_price: Decimal = Field(
        Decimal("100000"),
        gt=0,
        lt=10**10,  # limit of the column
        description="A price above this is taken for a mistake and refused.",
    )
    photo_maximum_bytes: int = Field(15_000_000, ge=1000, description="A larger upload is refused.")
    photo_maximum_pixels: int = Field(
        40_000_000, ge=1000, description="A photo of more pixels is refused before it is decoded."
    )
    photo_strangers_pixels: int = Field(
        16_000_000,
        ge=1000,
        description="A photo of more pixels is refused in queries of callers who are not logged in.",
    )
    photo_hosts: Names = Field(
        [],
        description="Hosts from which photos are fetched that services name by address in batches, such as "
        "`img.shop.example`, with commas between. None when not set.",
    )
    time_zone: str = Field("Europe/London", description="The time zone of the admin.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="How much is logged.")
    log_format: Literal["text", "json"] | None = Field(
        None,
        description="Lines for people, or a JSON object a line. When not set: JSON where HTTPS_ONLY holds.",
    )
    native_threads: int | None = Field(
        None,
        ge=1,
        description="Threads for torch and BLAS in a worker. All cores when not set; web uses one.",
    )
    encode_timeout_s: float = Field(
        2.0,
        gt=0,
        le=30,
        allow_inf_nan=False,
        description="How long a search waits for its words and photo to be encoded; then it answers without.",
    )
    plain_image_api: bool = Field(
        True, description="`/healthcheck` and `/predict/...`, which anyone may call without a login."
    )
    storefront: bool = Field(True, description="The shop at `/`. Off: `/` leads to the page of the API.")
    demo_shoppers: bool = Field(
        False, description="Anyone may use the shop as a simulated shopper. `make run` turns it on."
    )
    https_only: bool | None = Field(
        None,
        description="Pages and cookies over TLS alone, by a proxy that sets X-Forwarded-Proto. When not set: "
        "wherever DATABASE_URL is, and not for what runs on its own servers.",
    )
    proxy_count: int = Field(
        0,
        ge=0,
        le=10,
        description="Number of your proxies that append to X-Forwarded-For. The client's address for rate "
        "limits is the entry that many places from its end.",
    )
    retrain_hour: int = Field(3, ge=0, le=23, description="The hour of the nightly training, in TIME_ZONE.")
    retrain_after_events: int = Field(
        5000,
        ge=0,
        description="New believed events after which a training starts before the night; 0: none does.",
    )
    retrain_least_hours: float = Field(
        1,
        ge=0,
        le=24,
        allow_inf_nan=False,
        description="Hours between a training and the next one that events start.",
    )
    train_encoder_after_listings: int = Field(
        300,
        ge=0,
        description="Embedded listings from which on an encoder is trained by itself, and again when the "
        "catalogue grew by half or the backbone changed; 0: none is.",
    )
    event_weights: Weights = Field(
        EVENT_WEIGHTS,
        description="Confidence of each kind of event in training, feeds and trending, such as "
        "`view=0.5,message=10`; omitted kinds keep their default.",
    )
    source_weights: Weights = Field(
        {},
        description="Weight of events by source, such as `service:newsletter=0.3,actor=0.8`: by the whole "
        "name of the source, or by the part before its colon. Others have weight 1.",
    )
    taste_half_life_days: float = Field(
        3, gt=0, le=3650, description="Half-life of an event in the user profile."
    )
    search_half_life_days: float = Field(
        1,
        gt=0,
        le=3650,
        description="Half-life of an event in the current search intent: a kind of thing at about a price.",
    )
    quarantine_events_per_day: int = Field(
        1000,
        ge=0,
        description="An actor with more events in a day is quarantined: their events affect only their own "
        "feed, until staff release them. 0: no quarantine.",
    )
    slate_days: int = Field(
        90,
        ge=1,
        le=36_500,
        description="How long slates and served pages are kept.",
    )
    covisitation_source_exponent: Exponent | None = Field(
        None, description="Discount of co-visitation from popular listings. Default: as tuned."
    )
    covisitation_target_exponent: Exponent | None = Field(
        None, description="Discount of co-visitation to popular listings. Default: as tuned."
    )

    @property
    def chosen_log_format(self) -> str:
        """`text` or `json`. Default: json with HTTPS_ONLY, as in production."""
        return self.log_format or ("json" if self.is_https_only else "text")

    @property
    def is_embedded(self) -> bool:
        """Whether the database is the embedded PostgreSQL of VAR, as in the demo."""
        # `make run` sets the address for its children.
        return self.database_url in (None, embedded.database_url(self.var))

    @property
    def is_https_only(self) -> bool:
        return not (self.is_embedded or self.debug) if self.https_only is None else self.https_only

    @property
    def address_problem(self) -> str:
        """Why limits by address count everybody as one, empty when they do not."""
        if not self.is_https_only or self.proxy_count:
            return ""
        return (
            "HTTPS_ONLY means a proxy in front, but PROXY_COUNT is 0: every request seems to come from the "
            "proxy's address, so the limits of one address hold for the whole site."
        )

    @field_validator("allowed_hosts", "csrf_trusted_origins", "photo_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )

    @field_validator("event_weights", mode="before")
    @classmethod
    def _are_weights(cls, value: object) -> object:
        return event_weights_or_refuse(value, EVENT_WEIGHTS)

    @field_validator("source_weights", mode="before")
    @classmethod
    def _are_source_weights(cls, value: object) -> object:
        weights = weights_in(value) if isinstance(value, str) else value
        if not isinstance(weights, dict) or "" in weights or not all(map(is_weight, weights.values())):
            raise ValueError("numbers of 0 or more by source, as in service:newsletter=0.3,actor=0.8")
        return weights

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, value: str | None) -> str | None:
        if value is not None:
            database_or_refuse(value)
        return value

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, value: str | None) -> str | None:
        return value if value is None else redis_or_refuse(value)

    @field_validator("csrf_trusted_origins")
    @classmethod
    def _are_origins(cls, values: list[str]) -> list[str]:
        if not all(value.startswith(("https://", "http://")) for value in values):
            raise ValueError("origins that begin with https:// or http://, with commas between")
        return values

    @field_validator("photo_hosts")
    @classmethod
    def _are_hosts(cls, values: list[str]) -> list[str]:
        hosts = [value.lower() for value in values]
        if not all(re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", host) for host in hosts):
            raise ValueError("names of hosts, without https:// and port, with commas between")
        return hosts

    @field_validator("image_weights")
    @classmethod
    def _is_file(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError("a file that exists")
        return value and value.resolve()

    @field_validator("var")
    @classmethod
    def _is_absolute(cls, value: Path) -> Path:
        return value.resolve()

    @field_validator("time_zone")
    @classmethod
    def _is_time_zone(cls, value: str) -> str:
        return time_zone_or_refuse(value)


def read_environment(**overrides: Any) -> Environment:
    """The settings of this process. Raises BadEnvironment with one line for each bad variable."""
    try:
        return Environment(**overrides)
    except ValidationError as error:
        raise BadEnvironment("\n".join(in_one_line(problem) for problem in error.errors())) from None
