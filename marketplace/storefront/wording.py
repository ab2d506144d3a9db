"""What the pages say of sources and scores, in a shopper's words."""

from dataclasses import dataclass

SOURCE_SENTENCES = {
    "content": "Looks and reads like what you viewed",
    "collaborative": "People with your taste like it",
    "covisitation": "People go on to it from what you viewed",
    "trending": "Many people look at it now",
    "fresh": "Just listed",
    "place": "Close to where you look",
    "affinity": "Fits the kind, price and words you look for",
    "popularity": "Often opened by those who see it",
}


@dataclass(frozen=True)
class Bar:
    """One bar of a chart: a share between 0 and 1 with its label."""

    label: str
    share: float

    @property
    def percent(self) -> int:
        return round(100 * self.share)
