"""Shapes on a picture. Coordinates run from 0 to 1, rightwards and downwards, for any picture size."""

import math
import random
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

SUPERSAMPLING = 2
WHITE, BLACK = (255, 255, 255), (20, 20, 22)
METAL, DARK_METAL, RUBBER = (176, 180, 186), (88, 92, 98), (38, 38, 42)
WOOD, DARK_WOOD, PALE_WOOD = (158, 112, 66), (92, 60, 38), (208, 172, 124)


def shade(colour: Colour, factor: float) -> Colour:
    """The colour, darker for a factor below 1, closer to white above it."""
    if factor <= 1:
        return _rounded(part * factor for part in colour)
    return _rounded(255 - (255 - part) * (2 - factor) for part in colour)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    return _rounded(a + (b - a) * share for a, b in zip(one, other, strict=True))


def _rounded(parts: Iterable[float]) -> Colour:
    red, green, blue = map(round, parts)
    return red, green, blue


class Canvas:
    """A transparent layer. Everything drawn on it is rotated, mirrored and moved by its pose."""

    def __init__(self, side: int, pose: np.ndarray | None = None):
        self.side = side * SUPERSAMPLING
        self.pose = np.eye(3) if pose is None else pose  # (3, 3), from unit square to unit square
        self.image = Image.new("RGBA", (self.side, self.side))
        self._draw = ImageDraw.Draw(self.image)
        self._stretch = math.sqrt(abs(np.linalg.det(self.pose[:2, :2])))

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        self._draw.polygon(self._pixels(points), fill=colour)

    def box(
        self, left: float, top: float, right: float, bottom: float, colour: Colour, round_: float = 0
    ) -> None:
        """A rectangle with corners of radius `round_`."""
        radius = min(round_, (right - left) / 2, (bottom - top) / 2)
        corners = [
            (right - radius, top + radius, -90),
            (right - radius, bottom - radius, 0),
            (left + radius, bottom - radius, 90),
            (left + radius, top + radius, 180),
        ]
        steps = (0, 22.5, 45, 67.5, 90) if radius else (0,)
        self.polygon(
            [_on_circle(x, y, radius, start + step) for x, y, start in corners for step in steps], colour
        )

    def disc(self, x: float, y: float, radius: float, colour: Colour, height: float | None = None) -> None:
        """A filled circle, or an ellipse when `height` (half of it) is given."""
        self.polygon(_ellipse(x, y, radius, height or radius), colour)

    def ring(
        self, x: float, y: float, radius: float, width: float, colour: Colour, height: float | None = None
    ) -> None:
        points = _ellipse(x, y, radius, height or radius)
        self.line([*points, *points[:2]], width, colour)

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """A stroke with round joints and ends."""
        pixels, thickness = self._pixels(points), max(1, round(width * self._stretch * self.side))
        self._draw.line(pixels, fill=colour, width=thickness, joint="curve")
        if thickness > 4:
            for x, y in (pixels[0], pixels[-1]):
                self._draw.circle((x, y), thickness / 2 - 0.5, fill=colour)

    def curve(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """A stroke along the Bezier curve with these control points."""
        self.line(bezier(points), width, colour)

    def _pixels(self, points: Sequence[Point]) -> list[tuple[float, float]]:
        columns = np.array([(x, y, 1.0) for x, y in points]) @ self.pose.T
        return [tuple(point) for point in columns[:, :2] * self.side]


def bezier(points: Sequence[Point], steps: int = 24) -> list[Point]:
    """Points along the Bezier curve with these control points, ends included."""
    degree = len(points) - 1
    weights = [math.comb(degree, i) for i in range(degree + 1)]

    def coordinate(t: float, axis: int) -> float:
        return sum(w * (1 - t) ** (degree - i) * t**i * points[i][axis] for i, w in enumerate(weights))

    return [(coordinate(step / steps, 0), coordinate(step / steps, 1)) for step in range(steps + 1)]


def random_pose(rng: random.Random, *, tilt: float) -> np.ndarray:
    """A random affine pose, (3, 3): mirrored or not, scaled, shifted, rotated by at most `tilt` degrees."""
    angle, scale = math.radians(rng.uniform(-tilt, tilt)), rng.uniform(0.82, 1.0)
    mirror = rng.choice((-1, 1))
    turn = np.array(
        [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    )
    lean = np.array([[mirror * rng.uniform(0.88, 1.0), rng.uniform(-0.07, 0.07), 0], [0, 1, 0], [0, 0, 1]])
    there = _moved(0.5 + rng.uniform(-0.05, 0.05), 0.5 + rng.uniform(-0.02, 0.05))
    return there @ turn @ np.diag([scale, scale, 1]) @ lean @ _moved(-0.5, -0.5)


def _moved(x: float, y: float) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])


def _on_circle(x: float, y: float, radius: float, degrees: float) -> Point:
    return x + radius * math.cos(math.radians(degrees)), y + radius * math.sin(math.radians(degrees))


def _ellipse(x: float, y: float, width: float, height: float) -> list[Point]:
    turns = (math.tau * step / 40 for step in range(40))
    return [(x + width * math.cos(turn), y + height * math.sin(turn)) for turn in turns]
