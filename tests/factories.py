"""Actors, listings, photos and events for tests, made by the project's own verbs."""

import io
import itertools
from datetime import datetime
from decimal import Decimal

import numpy as np
from django.contrib.auth.models import User
from django.utils import timezone
from PIL import Image, ImageDraw

from listings import photo_services, services
from listings.categories import tree
from listings.models import Actor, Category, Listing, Photo
from listings.photos import processing
from recommendations.encoders import query_channel, query_worker
from recommendations.encoders.encoded_query import EncodedQuery
from recommendations.interactions.recording import Event, EventResult, record

PASSWORD = "correct horse battery staple"
_numbers = itertools.count(1)


def actor(name: str) -> Actor:
    """A member who can log in."""
    user = User.objects.create_user(name, password=PASSWORD)
    return Actor.objects.create(external_id=name, user=user)


def category(path: str = "Home & Garden / Sofas") -> Category:
    return tree.ensure_category(path)


def listing(
    seller: Actor,
    title: str = "Blue sofa",
    *,
    path: str = "Home & Garden / Sofas",
    price: int | str = 50,
    created_at: datetime | None = None,
    **content,
) -> Listing:
    """An active listing without photos."""
    return services.create_listing(
        seller=seller,
        title=title,
        price=Decimal(price),
        category=category(path),
        now=created_at or timezone.now(),
        **content,
    )


def picture(colour: str = "navy", size: tuple[int, int] = (96, 64), image_format: str = "JPEG") -> bytes:
    """A small picture: a bar of a colour on white, never twice the same."""
    image = Image.new("RGB", size, "white")
    offset = next(_numbers) % (size[0] // 2)
    ImageDraw.Draw(image).rectangle((offset, 10, offset + size[0] // 3, size[1] - 10), fill=colour)
    stream = io.BytesIO()
    image.save(stream, image_format)
    return stream.getvalue()


def add_picture(of: Listing, data: bytes) -> Photo:
    return photo_services.add_photo(listing=of, received=processing.receive(data))


def photo(of: Listing, colour: str = "navy") -> Photo:
    return add_picture(of, picture(colour))


def event(who: Actor, what: Listing, kind: str = "view", at: datetime | None = None) -> EventResult:
    """One event, a moment ago unless said otherwise."""
    happened = Event(f"event-{next(_numbers)}", who, what.external_id, kind, occurred_at=at)
    return record(source="tests", events=[happened], now=timezone.now())[0]


def as_received(data: bytes) -> bytes:
    """The photo of a query as the encode worker hands it to the encoder."""
    return processing.receive(data).sizes[processing.Size.MEDIUM]


def known_answer(encoded: EncodedQuery, *, words: str = "", photo: bytes | None = None) -> None:
    """Put what the encode worker would say where it keeps what it said."""
    question = query_channel.EncodeRequest.of(words, photo)
    query_channel.send_reply(query_worker.client(), "encode:reply:nobody", question, encoded)


def ids(*keys: int) -> np.ndarray:
    return np.array(keys, np.int64)
