"""A ranker in the memory of a serving process."""

from dataclasses import dataclass

from ml.ranking.lambdarank import RankerModel


@dataclass(frozen=True)
class Ranker:
    """A model that was trained on feature_names.FEATURES, with its version."""

    version: str
    model: RankerModel
    digest: str = ""  # sha256 of the row that it was loaded from
