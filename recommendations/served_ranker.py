"""A learned ranker as a serving process holds it."""

from dataclasses import dataclass

from ml.ranker import RankerModel


@dataclass(frozen=True)
class Ranker:
    """Trees that were trained on features.FEATURES, and which ones they are."""

    version: str
    model: RankerModel
    digest: str = ""  # of the row that it was loaded from
