"""A catalogue of any size, written straight to the tables: tiled adverts, their vectors, and events.

A listing is an advert of the material with noise in its vectors, so that the tiles of one advert are alike
but not equal. Vectors of photos are drawn around a centre of the category; those of words are of the texts.
"""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from django.conf import settings
from django.db import connection, transaction

from benchmarks.protocol import say
from benchmarks.serving.material import Advert
from listings.categories.tree import ensure_category
from listings.demo.drawings import labelled_drawings
from ml.arrays import Matrix, Rows, unit_rows
from ml.encoder.blocks import Blocks
from ml.encoder.projection import ProjectionEncoder
from ml.vision.small_backbone import train_small_backbone
from recommendations.collaborative import store
from recommendations.collaborative.config import TrainingConfig
from recommendations.collaborative.content_vectors import read_content
from recommendations.collaborative.covisitation_counts import CountedHistories
from recommendations.collaborative.history import read_history
from recommendations.collaborative.model import fit
from recommendations.encoders import selection
from recommendations.encoders.backbones import BackboneChoice
from recommendations.encoders.manifest import EncoderManifest
from recommendations.interactions import watermark

SEED = 6
SELLER_LISTINGS = 12  # of a seller, on average
PHOTO_COUNTS, PHOTO_SHARES = (0, 1, 2, 3), (0.2, 0.3, 0.3, 0.2)
WORDS_NOISE, PHOTO_NOISE = 0.4, 0.8  # length of the noise, beside a vector of length 1
EVENTS = 15  # of an actor, on average
KINDS = {"view": 0.79, "favourite": 0.1, "message": 0.05, "purchase": 0.03, "hide": 0.03}
DAYS = 14  # of events; listings are up to twice as old
CHUNK = 5000
BACKBONE, DRAWN_PHOTOS = "shufflenet_v2_x0_5", 40


@dataclass(frozen=True)
class Sizes:
    listings: int
    actors: int

    @property
    def sellers(self) -> int:
        return max(1, self.listings // SELLER_LISTINGS)


def fill(material: Sequence[Advert], sizes: Sizes, *, now: datetime) -> None:
    """Write actors, listings with photos, embeddings and events, and choose an encoder."""
    encoder = _chosen_encoder()
    rng = np.random.default_rng(SEED)
    advert_of = np.arange(sizes.listings) % len(material)  # (n,)
    photo_counts = rng.choice(PHOTO_COUNTS, sizes.listings, p=PHOTO_SHARES)
    with transaction.atomic():
        _write_actors(sizes, now)
        _write_listings(material, advert_of, sizes, rng, now)
        _write_photos(photo_counts)
        _write_vectors(_vectors(material, encoder, rng), advert_of, photo_counts, encoder, rng)
        _write_events(material, advert_of, sizes, rng, now)
    _analyze()
    say(f"{sizes.listings} listings of {sizes.sellers} sellers, events of {sizes.actors} actors")


def shopper(number: int) -> str:
    """The external id of an actor with events, numbered from 0."""
    return f"shopper-{number}"


def _chosen_encoder() -> ProjectionEncoder:
    """An encoder that the encode worker can load. Its backbone has hardly learned: it sees no photo here."""
    weights = settings.VAR / "serving.safetensors"
    pictures, labels = zip(*labelled_drawings(DRAWN_PHOTOS, seed=SEED), strict=True)
    train_small_backbone(pictures, labels, Path(weights), seconds=1, seed=SEED)
    model = selection.propose(BackboneChoice(BACKBONE, Path(weights), "trained for this benchmark"))
    return ProjectionEncoder.from_json(EncoderManifest.read(model).projection)


def _write_actors(sizes: Sizes, now: datetime) -> None:
    """Shoppers first, with ids from 1; then the sellers."""
    names = [shopper(number) for number in range(sizes.actors)]
    names += [f"seller-{number}" for number in range(sizes.sellers)]
    rows = ((pk, name, "member", now) for pk, name in enumerate(names, start=1))
    _copy("listings_actor", ("id", "external_id", "kind", "created_at"), rows)


def _write_listings(
    material: Sequence[Advert], advert_of: Rows, sizes: Sizes, rng: np.random.Generator, now: datetime
) -> None:
    category_of = {
        path: ensure_category(path).pk for path in sorted({advert.category for advert in material})
    }
    sellers = sizes.actors + 1 + rng.integers(sizes.sellers, size=sizes.listings)
    ages_s = rng.uniform(0, 2 * DAYS * 86_400, sizes.listings)
    moved = rng.normal(0, 0.1, (sizes.listings, 2))  # degrees
    columns = (
        *("id", "external_id", "seller_id", "title", "description", "price", "condition", "category_id"),
        *("latitude", "longitude", "status", "content_version", "created_at", "updated_at"),
    )

    def rows() -> Iterable[tuple]:
        for number, place in enumerate(advert_of.tolist()):
            advert, created_at = material[place], now - timedelta(seconds=ages_s[number])
            where: tuple[float | None, float | None] = (None, None)
            if advert.latitude is not None and advert.longitude is not None:
                where = (advert.latitude + moved[number, 0], advert.longitude + moved[number, 1])
            title = f"{advert.title} {number}"[:300]
            yield (
                *(number + 1, f"listing-{number}", int(sellers[number]), title, advert.description),
                *(advert.price, "unknown", category_of[advert.category], *where, "active", 1),
                *(created_at, created_at),
            )

    _copy("listings_listing", columns, rows())


def _write_photos(photo_counts: Rows) -> None:
    columns = (
        *("id", "listing_id", "position", "external_id", "file", "sha256", "perceptual_hash"),
        *("width", "height"),
    )

    def rows() -> Iterable[tuple]:
        pk = 0
        for number, count in enumerate(photo_counts.tolist()):
            for position in range(count):
                pk += 1
                digest = f"{zlib.crc32(str(pk).encode()):08x}{zlib.crc32(str(-pk).encode()):08x}"
                file = f"{digest[:2]}/{digest}.jpg"
                yield (pk, number + 1, position, f"photo-{pk}", file, digest * 4, digest, 1024, 768)

    _copy("listings_photo", columns, rows())


def _vectors(material: Sequence[Advert], encoder: ProjectionEncoder, rng: np.random.Generator) -> Matrix:
    """A vector of each advert, before noise: (m, d) float32"""
    blocks = encoder.blocks
    titles, texts = [advert.title for advert in material], [advert.description for advert in material]
    no_photos = np.empty((0, encoder.feature_dimension), np.float16), np.empty(0, np.int64)
    words = encoder.encode(*no_photos, titles, texts).listings[:, blocks.slices[2]]
    paths = sorted({advert.category for advert in material})
    centres = unit_rows(rng.standard_normal((len(paths), blocks.photo_dimension), dtype=np.float32))
    number = {path: place for place, path in enumerate(paths)}
    own = centres[[number[advert.category] for advert in material]]
    own = own + PHOTO_NOISE * unit_rows(rng.standard_normal(own.shape, dtype=np.float32))
    return np.hstack([own, words]).astype(np.float32)


def _write_vectors(
    vectors: Matrix, advert_of: Rows, photo_counts: Rows, encoder: ProjectionEncoder, rng: np.random.Generator
) -> None:
    columns = ("listing_id", "encoder_version", "content_version", "vector", "photo_ids", "photo_vectors")

    def rows() -> Iterable[tuple]:
        photo = 0
        for start in range(0, len(advert_of), CHUNK):
            chosen = vectors[advert_of[start : start + CHUNK]]
            noisy = _noisy(chosen, photo_counts[start : start + CHUNK], encoder.blocks, rng)
            for place, vector in enumerate(noisy):
                count = int(photo_counts[start + place])
                photos = vector[: encoder.blocks.photo_dimension].tobytes() * count
                ids = list(range(photo + 1, photo + count + 1))
                photo += count
                yield start + place + 1, encoder.version, 1, vector.tobytes(), ids, photos

    _copy("recommendations_listingembedding", columns, rows())


def _noisy(vectors: Matrix, photo_counts: Rows, blocks: Blocks, rng: np.random.Generator) -> Matrix:
    """Blocks of length 1 with noise; zeros for look and meaning without photos.   (n, d) -> (n, d) float16"""
    parts = []
    for place, block in enumerate(blocks.slices):
        own = unit_rows(vectors[:, block])
        noise = unit_rows(rng.standard_normal(own.shape, dtype=np.float32))
        part = unit_rows(own + (WORDS_NOISE if place == 2 else PHOTO_NOISE) * noise)
        parts.append(part if place == 2 else part * (photo_counts > 0)[:, None])
    return np.hstack(parts).astype("<f2")


def _write_events(
    material: Sequence[Advert], advert_of: Rows, sizes: Sizes, rng: np.random.Generator, now: datetime
) -> None:
    """Events of actors, each with two categories. Within one, a few listings get most of them."""
    columns = (
        *("source", "event_id", "actor_id", "listing_id", "kind", "occurred_at", "received_at"),
        "is_doubtful",
    )
    paths = [advert.category for advert in material]
    members: dict[str, list[int]] = {}
    for number, place in enumerate(advert_of.tolist()):
        members.setdefault(paths[place], []).append(number)

    def rows() -> Iterable[tuple]:
        serial = 0
        for actor in range(sizes.actors):
            homes = [members[paths[advert_of[int(rng.integers(len(advert_of)))]]] for _ in range(2)]
            for _ in range(int(rng.poisson(EVENTS)) + 1):
                serial += 1
                home = homes[int(rng.integers(2))]
                listing = home[int(len(home) * rng.random() ** 3)]
                kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
                at = now - timedelta(seconds=float(rng.uniform(60, DAYS * 86_400)))
                yield "service:benchmark", f"{serial}", actor + 1, listing + 1, kind, at, at, False

    _copy("recommendations_interaction", columns, rows())


def _copy(table: str, columns: Sequence[str], rows: Iterable[tuple]) -> None:
    """COPY rows into a table, and move its sequence behind them."""
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
        last = f"(SELECT coalesce(max(id), 1) FROM {table})"
        cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {last})")
    say(f"Wrote {table}")


def _analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def publish_model(now: datetime) -> None:
    """Fit a collaborative model on the events and serve it, without a gate."""
    horizon = watermark.horizon()
    history = read_history(until=now, before=horizon)
    model, counts = fit(history, TrainingConfig(), version="benchmark", content=read_content())
    made_of = CountedHistories.of(history, model.listing_ids, counts)
    store.publish(model, made_of, horizon=horizon, metrics={}, verdict="Made by the benchmark.")
    say(f"A model of {history.event_count} events")
