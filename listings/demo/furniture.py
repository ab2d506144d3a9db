"""Furniture for the home and the office. Each function draws one kind, standing at about y = 0.84.

`form` sets the proportions: the same seed draws the same thing again.
"""

from random import Random

from listings.demo.canvas import (
    DARK_METAL,
    DARK_WOOD,
    METAL,
    PALE_WOOD,
    RUBBER,
    WOOD,
    Canvas,
    Colour,
    mix,
    shade,
)


def sofa(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    seats = {"two seater": 2, "three seater": 3, "corner": 3}[variant]
    left, right = (0.2, 0.8) if seats == 2 else (0.07, 0.93)
    back, arm, roundness = form.uniform(0.36, 0.42), form.uniform(0.07, 0.1), form.uniform(0.02, 0.05)
    for x in (left + 0.06, right - 0.06):
        canvas.line([(x, 0.74), (x, 0.83)], 0.025, form.choice((DARK_WOOD, PALE_WOOD)))
    canvas.box(left + 0.03, back, right - 0.03, 0.7, shade(colour, 0.88), roundness)
    width = (right - left - 2 * arm) / seats
    for seat in range(seats):
        x = left + arm + seat * width
        canvas.box(x, back + 0.03, x + width - 0.008, 0.62, shade(colour, 1.1), roundness)
        canvas.box(x - 0.004, 0.57, x + width - 0.004, 0.68, shade(colour, 1.22), 0.025)
    canvas.box(left, 0.66, right, 0.77, shade(colour, 0.78), 0.02)
    for x in (left - 0.01, right - arm + 0.01):
        canvas.box(x, 0.5, x + arm, 0.78, colour, roundness)
        canvas.box(x + 0.01, 0.5, x + arm - 0.01, 0.535, shade(colour, 1.25), 0.017)
    if variant == "corner":
        _chaise(canvas, colour, right)
    if form.random() < 0.6:
        _cushion(canvas, left + arm + 0.05, 0.5, form)


def _chaise(canvas: Canvas, colour: Colour, right: float) -> None:
    edge = [(right - 0.34, 0.62), (right - 0.06, 0.62), (right, 0.83), (right - 0.36, 0.83)]
    canvas.polygon(edge, shade(colour, 1.22))
    canvas.box(right - 0.36, 0.82, right, 0.89, shade(colour, 0.8), 0.01)


def _cushion(canvas: Canvas, x: float, y: float, form: Random) -> None:
    colour = form.choice(((214, 168, 60), (232, 226, 214), (120, 140, 150), (180, 96, 82)))
    canvas.polygon([(x, y), (x + 0.1, y - 0.015), (x + 0.115, y + 0.085), (x + 0.01, y + 0.1)], colour)


def armchair(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    top = 0.2 if variant == "wing back" else 0.33
    legs = form.choice((DARK_WOOD, PALE_WOOD))
    for x, foot in ((0.32, 0.29), (0.68, 0.71)):
        canvas.line([(x, 0.72), (foot, 0.84)], 0.026, legs)
    canvas.box(0.29, top, 0.71, 0.7, shade(colour, 0.9), form.uniform(0.06, 0.12))
    canvas.box(0.34, top + 0.05, 0.66, 0.6, shade(colour, 1.12), 0.06)
    if variant == "wing back":
        for x in (0.26, 0.65):
            canvas.box(x, top + 0.04, x + 0.09, 0.55, shade(colour, 0.8), 0.04)
        for y in (0.32, 0.42):
            for x in (0.43, 0.5, 0.57):
                canvas.disc(x, y, 0.009, shade(colour, 0.65))
    canvas.box(0.32, 0.56, 0.68, 0.68, shade(colour, 1.24), 0.03)
    canvas.box(0.27, 0.66, 0.73, 0.76, shade(colour, 0.76), 0.02)
    for x in (0.22, 0.67):
        canvas.box(x, 0.48, x + 0.11, 0.77, colour, form.uniform(0.03, 0.05))


def lamp(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    stem = form.choice((METAL, DARK_METAL, WOOD))
    top, bottom, foot = (0.1, 0.3, 0.1) if variant == "floor" else (0.2, 0.48, 0.13)
    width = form.uniform(0.16, 0.2) if variant == "floor" else form.uniform(0.22, 0.27)
    canvas.line([(0.5, bottom), (0.5, 0.82)], 0.018, stem)
    if variant == "table":
        canvas.disc(0.5, 0.68, form.uniform(0.07, 0.1), shade(stem, 0.9), height=0.13)
        canvas.disc(0.47, 0.65, 0.02, shade(stem, 1.4), height=0.06)
    canvas.disc(0.5, 0.83, foot, shade(stem, 0.85), height=0.022)
    slope = form.uniform(0.03, 0.1)
    shape = [
        (0.5 - width + slope, top),
        (0.5 + width - slope, top),
        (0.5 + width, bottom),
        (0.5 - width, bottom),
    ]
    canvas.polygon(shape, colour)
    glow = [
        (0.5 - width / 2, top),
        (0.5 + width / 4, top),
        (0.5 + width / 3, bottom),
        (0.5 - width / 1.6, bottom),
    ]
    canvas.polygon(glow, shade(colour, 1.3))
    canvas.disc(0.5, bottom, width, shade(colour, 0.82), height=0.02)


def wardrobe(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    doors = 3 if variant == "triple" else 2
    left, right = 0.5 - 0.13 * doors, 0.5 + 0.13 * doors
    canvas.polygon(
        [(right, 0.1), (right + 0.06, 0.13), (right + 0.06, 0.8), (right, 0.83)], shade(colour, 0.62)
    )
    canvas.box(left, 0.1, right, 0.83, shade(colour, 0.85))
    canvas.box(left - 0.02, 0.08, right + 0.02, 0.12, shade(colour, 1.1), 0.01)
    drawers = form.random() < 0.6
    bottom = 0.65 if drawers else 0.8
    for door in range(doors):
        x = left + 0.01 + door * (right - left - 0.01) / doors
        _door(canvas, (x, 0.14, x + 0.235, bottom), colour, right_handed=door % 2 == 0)
    if drawers:
        canvas.box(left + 0.01, 0.67, right - 0.01, 0.8, colour)
        for x in (0.5 - 0.08 * doors, 0.5 + 0.08 * doors):
            canvas.disc(x, 0.735, 0.014, METAL)
    canvas.box(left, 0.82, right, 0.85, shade(colour, 0.6))


def _door(
    canvas: Canvas, box: tuple[float, float, float, float], colour: Colour, *, right_handed: bool
) -> None:
    left, top, right, bottom = box
    canvas.box(*box, colour)
    canvas.box(left + 0.03, top + 0.03, right - 0.03, bottom - 0.03, shade(colour, 0.9))
    canvas.box(left + 0.037, top + 0.037, right - 0.03, bottom - 0.03, shade(colour, 1.12))
    x = right - 0.016 if right_handed else left + 0.016
    canvas.line([(x, 0.42), (x, 0.5)], 0.012, DARK_METAL)


def garden_bench(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    left, right = (0.1, 0.9) if variant == "three seater" else (0.2, 0.8)
    for x in (left + 0.03, right - 0.03):
        canvas.line([(x, 0.3), (x, 0.84)], 0.034, shade(colour, 0.7))
    for rail in range(form.choice((3, 4))):
        canvas.box(
            left, 0.32 + rail * 0.075, right, 0.37 + rail * 0.075, shade(colour, 1.05 - rail * 0.05), 0.01
        )
    for slat in range(3):
        y = 0.63 + slat * 0.035
        canvas.box(
            left - 0.01 * slat, y, right + 0.01 * slat, y + 0.028, shade(colour, 1.25 - slat * 0.06), 0.008
        )
    canvas.box(left + 0.02, 0.73, right - 0.02, 0.765, shade(colour, 0.72))
    for x in (left - 0.01, right - 0.05):
        canvas.box(x, 0.5, x + 0.06, 0.53, shade(colour, 1.15), 0.012)
        canvas.line([(x + 0.03, 0.52), (x + 0.02, 0.86)], 0.03, shade(colour, 0.82))


def office_chair(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    for foot in (0.27, 0.38, 0.62, 0.73):
        canvas.line([(0.5, 0.74), (foot, 0.81)], 0.024, DARK_METAL)
        canvas.disc(foot, 0.835, 0.022, RUBBER)
    canvas.line([(0.5, 0.58), (0.5, 0.75)], 0.036, METAL)
    top = 0.13 if variant == "high back" else 0.26
    canvas.line([(0.5, 0.4), (0.5, 0.6)], 0.05, DARK_METAL)
    canvas.box(0.33, top, 0.67, 0.52, shade(colour, 0.92), form.uniform(0.05, 0.1))
    canvas.box(0.365, top + 0.035, 0.635, 0.49, shade(colour, 1.14), 0.06)
    if variant == "high back":
        canvas.box(0.39, top + 0.03, 0.61, top + 0.1, shade(colour, 0.8), 0.03)
    canvas.box(0.28, 0.55, 0.72, 0.64, colour, 0.045)
    canvas.box(0.3, 0.55, 0.7, 0.59, shade(colour, 1.2), 0.02)
    for x, inside in ((0.24, 0.3), (0.76, 0.7)):
        canvas.line([(inside, 0.61), (x, 0.57), (x, 0.46)], 0.022, DARK_METAL)
        canvas.box(x - 0.04, 0.43, x + 0.04, 0.46, RUBBER, 0.015)


def desk(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    front = shade(colour, 0.86)
    canvas.polygon([(0.13, 0.42), (0.87, 0.42), (0.93, 0.5), (0.07, 0.5)], shade(colour, 1.2))
    canvas.box(0.07, 0.5, 0.93, 0.535, shade(colour, 0.95))
    if variant == "standing":
        for x in (0.22, 0.78):
            canvas.box(x - 0.025, 0.535, x + 0.025, 0.81, METAL)
            canvas.box(x - 0.1, 0.8, x + 0.1, 0.83, DARK_METAL, 0.012)
        return
    canvas.box(0.1, 0.535, 0.14, 0.83, front)
    canvas.box(0.62, 0.535, 0.9, 0.83, front)
    canvas.box(0.14, 0.55, 0.62, 0.63, shade(colour, 0.55))
    for drawer in range(count := form.choice((2, 3))):
        top = 0.55 + drawer * 0.26 / count
        canvas.box(0.635, top, 0.885, top + 0.26 / count - 0.015, shade(colour, 1.08))
        canvas.line([(0.72, top + 0.05), (0.8, top + 0.05)], 0.012, DARK_METAL)


def filing_cabinet(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    drawers = 4 if variant == "four drawer" else 2
    top, width = (0.12, 0.19) if drawers == 4 else (0.42, 0.22)
    left, right = 0.5 - width, 0.5 + width - 0.04
    canvas.polygon(
        [(right, top), (right + 0.09, top - 0.03), (right + 0.09, 0.79), (right, 0.84)], shade(colour, 0.6)
    )
    canvas.polygon(
        [(left, top), (left + 0.1, top - 0.03), (right + 0.09, top - 0.03), (right, top)], shade(colour, 1.3)
    )
    canvas.box(left, top, right, 0.84, shade(colour, 0.8))
    height = (0.82 - top) / drawers
    for drawer in range(drawers):
        y = top + 0.01 + drawer * height
        canvas.box(left + 0.012, y, right - 0.012, y + height - 0.012, mix(colour, (255, 255, 255), 0.12))
        canvas.line(
            [(0.43, y + height * 0.55), (0.53, y + height * 0.55)], 0.02, form.choice((METAL, DARK_METAL))
        )
        canvas.box(0.44, y + height * 0.18, 0.52, y + height * 0.32, (245, 242, 232))
