"""Colours of things by the names that sellers use."""

from listings.demo.canvas import Colour

COLOURS: dict[str, Colour] = {
    "black": (44, 44, 48),
    "white": (236, 236, 232),
    "grey": (134, 138, 144),
    "cream": (226, 212, 182),
    "brown": (112, 72, 46),
    "oak": (190, 146, 92),
    "red": (192, 48, 46),
    "pink": (228, 146, 168),
    "orange": (226, 122, 46),
    "yellow": (232, 190, 62),
    "green": (74, 128, 78),
    "teal": (38, 132, 134),
    "blue": (56, 104, 180),
    "navy": (36, 50, 96),
    "purple": (116, 76, 146),
    "silver": (190, 194, 200),
}
