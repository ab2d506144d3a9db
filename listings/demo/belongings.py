"""Clothes, bags, toys, instruments and tools. Each function draws one kind, as in furniture.py."""

from random import Random

from listings.demo.canvas import (
    BLACK,
    DARK_METAL,
    DARK_WOOD,
    METAL,
    PALE_WOOD,
    RUBBER,
    WHITE,
    WOOD,
    Canvas,
    Colour,
    bezier,
    mix,
    shade,
)

COVERS = ((176, 58, 52), (46, 84, 138), (60, 120, 84), (222, 176, 70), (104, 72, 120), (226, 218, 200))
BRASS = (196, 158, 84)


def guitar(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    canvas.line([(0.5, 0.12), (0.5, 0.5)], 0.045, DARK_WOOD)
    canvas.box(0.46, 0.05, 0.54, 0.14, shade(DARK_WOOD, 0.8), 0.012)
    for peg in (0.07, 0.095, 0.12):
        canvas.line([(0.44, peg), (0.56, peg)], 0.012, METAL)
    if variant == "electric":
        _electric_body(canvas, colour)
    else:
        waist = form.uniform(0.14, 0.16)
        canvas.disc(0.5, 0.72, 0.215, shade(colour, 0.7), height=0.18)
        for share, tone in ((1, shade(colour, 0.75)), (0.92, colour)):
            canvas.disc(0.5, 0.52, waist * share, tone, height=0.13 * share)
            canvas.disc(0.5, 0.71, 0.205 * share, tone, height=0.17 * share)
        canvas.disc(0.5, 0.58, 0.06, BLACK)
        canvas.ring(0.5, 0.58, 0.068, 0.01, PALE_WOOD)
        canvas.box(0.42, 0.755, 0.58, 0.785, DARK_WOOD, 0.01)
    for string in range(4):
        x = 0.485 + string * 0.01
        canvas.line([(x, 0.1), (x, 0.77)], 0.003, (220, 220, 210))


def _electric_body(canvas: Canvas, colour: Colour) -> None:
    left = [*bezier([(0.46, 0.58), (0.4, 0.56), (0.38, 0.46), (0.31, 0.44)]), (0.3, 0.5)]
    left += bezier([(0.3, 0.5), (0.36, 0.64), (0.2, 0.7), (0.26, 0.9), (0.5, 0.9)])
    right = bezier([(0.5, 0.9), (0.78, 0.92), (0.8, 0.7), (0.64, 0.66), (0.68, 0.54)])
    right += bezier([(0.68, 0.54), (0.66, 0.48), (0.6, 0.52), (0.56, 0.6), (0.54, 0.58)])
    canvas.polygon(left + right, colour)
    canvas.polygon([(0.45, 0.56), (0.56, 0.58), (0.62, 0.66), (0.62, 0.8), (0.45, 0.76)], (240, 236, 226))
    for y in (0.6, 0.66, 0.72):
        canvas.box(0.465, y, 0.545, y + 0.022, BLACK, 0.008)
    for x, y in ((0.585, 0.7), (0.59, 0.76)):
        canvas.disc(x, y, 0.014, METAL)


def pram(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    for x in (0.3, 0.68):
        canvas.line([(x, 0.72), (0.5, 0.5)], 0.018, METAL)
        canvas.ring(x, 0.75, form.uniform(0.085, 0.1), 0.022, RUBBER)
        canvas.disc(x, 0.75, 0.025, METAL)
    canvas.curve([(0.7, 0.52), (0.84, 0.46), (0.88, 0.26)], 0.024, DARK_METAL)
    if variant == "pushchair":
        canvas.polygon(
            [(0.34, 0.24), (0.46, 0.24), (0.62, 0.55), (0.4, 0.62), (0.24, 0.6)], shade(colour, 0.8)
        )
        canvas.polygon([(0.26, 0.54), (0.62, 0.5), (0.66, 0.57), (0.28, 0.63)], colour)
        hood = [(0.42, 0.36), *bezier([(0.24, 0.36), (0.26, 0.08), (0.56, 0.14), (0.6, 0.34)])]
    else:
        canvas.polygon([*bezier([(0.2, 0.4), (0.22, 0.68), (0.7, 0.68), (0.74, 0.4)])], colour)
        canvas.box(0.19, 0.38, 0.75, 0.42, shade(colour, 1.3), 0.015)
        hood = [(0.47, 0.39), *bezier([(0.47, 0.39), (0.5, 0.08), (0.82, 0.16), (0.75, 0.39)])]
    canvas.polygon(hood, shade(colour, 0.86))
    canvas.line([hood[0], hood[len(hood) // 2]], 0.01, shade(colour, 0.6))


def teddy_bear(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    pale = mix(colour, WHITE, 0.45)
    for side in (-1, 1):
        canvas.disc(0.5 + side * 0.13, 0.2, 0.065, colour)
        canvas.disc(0.5 + side * 0.13, 0.2, 0.035, pale)
        canvas.disc(0.5 + side * 0.21, 0.53, 0.06, shade(colour, 0.9), height=0.11)
        canvas.disc(0.5 + side * 0.14, 0.76, 0.085, shade(colour, 0.92), height=0.09)
        canvas.disc(0.5 + side * 0.15, 0.78, 0.045, pale)
    canvas.disc(0.5, 0.6, 0.185, colour, height=0.2)
    canvas.disc(0.5, 0.62, 0.11, pale, height=0.13)
    canvas.disc(0.5, 0.31, form.uniform(0.155, 0.175), shade(colour, 1.06), height=0.145)
    canvas.disc(0.5, 0.36, 0.07, pale, height=0.055)
    canvas.disc(0.5, 0.335, 0.024, BLACK, height=0.018)
    for side in (-1, 1):
        canvas.disc(0.5 + side * 0.065, 0.28, 0.016, BLACK)
    if variant == "with bow":
        bow = form.choice(COVERS)
        for side in (-1, 1):
            canvas.polygon([(0.5, 0.47), (0.5 + side * 0.1, 0.43), (0.5 + side * 0.1, 0.52)], bow)


def shoes(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    for x, y, tone in ((0.1, -0.13, 0.82), (0.0, 0.02, 1.0)):
        if variant == "boots":
            _boot(canvas, shade(colour, tone), x, y)
        else:
            _trainer(canvas, shade(colour, tone), x, y, form.choice((WHITE, (236, 228, 210))))


def _trainer(canvas: Canvas, colour: Colour, x: float, y: float, sole: Colour) -> None:
    upper = bezier([(0.16, 0.46), (0.34, 0.5), (0.42, 0.36), (0.6, 0.6), (0.86, 0.56), (0.82, 0.72)])
    moved = [(px + x, py + y) for px, py in [*upper, (0.14, 0.72), (0.12, 0.5)]]
    canvas.polygon(moved, colour)
    canvas.polygon([(0.3 + x, 0.68 + y), (0.5 + x, 0.52 + y), (0.56 + x, 0.55 + y), (0.4 + x, 0.7 + y)], sole)
    canvas.box(0.11 + x, 0.7 + y, 0.85 + x, 0.765 + y, sole, 0.03)
    for lace in range(4):
        start = (0.44 + lace * 0.05 + x, 0.455 + lace * 0.03 + y)
        canvas.line([start, (start[0] - 0.04, start[1] + 0.06)], 0.013, WHITE)
    canvas.disc(0.2 + x, 0.475 + y, 0.075, shade(colour, 0.5), height=0.022)


def _boot(canvas: Canvas, colour: Colour, x: float, y: float) -> None:
    toe = bezier([(0.46, 0.56), (0.6, 0.58), (0.8, 0.58), (0.8, 0.74)])
    outline = [(0.2, 0.26), (0.46, 0.26), *toe, (0.2, 0.74)]
    canvas.polygon([(px + x, py + y) for px, py in outline], colour)
    canvas.box(0.18 + x, 0.73 + y, 0.82 + x, 0.78 + y, RUBBER, 0.01)
    canvas.box(0.18 + x, 0.74 + y, 0.32 + x, 0.82 + y, RUBBER, 0.01)
    canvas.box(0.19 + x, 0.24 + y, 0.47 + x, 0.29 + y, shade(colour, 0.7), 0.01)
    for lace in range(5):
        level = 0.34 + lace * 0.05 + y
        canvas.line([(0.36 + x, level), (0.46 + x, level + 0.015)], 0.012, shade(colour, 1.5))


def coat(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    hem, flare = (0.9, 0.27) if variant == "long" else (0.68, 0.22)
    canvas.curve([(0.5, 0.13), (0.5, 0.04), (0.55, 0.05), (0.53, 0.1)], 0.012, METAL)
    for side in (-1, 1):
        sleeve = [(0.36, 0.16), (0.2, 0.28), (0.13, 0.6), (0.22, 0.62), (0.32, 0.36)]
        canvas.polygon([(0.5 + side * (px - 0.5), py) for px, py in sleeve], shade(colour, 0.82))
    canvas.polygon(
        [(0.38, 0.14), (0.62, 0.14), (0.68, 0.2), (0.5 + flare, hem), (0.5 - flare, hem), (0.32, 0.2)], colour
    )
    canvas.line([(0.5, 0.3), (0.51, hem - 0.005)], 0.008, shade(colour, 0.55))
    for side in (-1, 1):
        collar = [(0.5, 0.32), (0.39, 0.13), (0.36, 0.22), (0.42, 0.3)]
        canvas.polygon([(0.5 + side * (px - 0.5), py) for px, py in collar], shade(colour, 1.2))
        canvas.line([(0.5 + side * 0.1, 0.58), (0.5 + side * 0.16, 0.56)], 0.014, shade(colour, 0.6))
    canvas.polygon([(0.44, 0.13), (0.56, 0.13), (0.5, 0.28)], shade(colour, 0.45))
    for button in range(form.choice((3, 4))):
        canvas.disc(0.535, 0.36 + button * 0.075, 0.013, shade(colour, 0.4))


def handbag(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    top = 0.46 if variant == "tote" else 0.5
    canvas.curve([(0.34, top), (0.34, 0.06), (0.66, 0.06), (0.66, top)], 0.026, shade(colour, 0.7))
    slope = form.uniform(0.02, 0.06)
    canvas.polygon([(0.2 + slope, top), (0.8 - slope, top), (0.84, 0.82), (0.16, 0.82)], colour)
    if variant == "satchel":
        canvas.polygon([*bezier([(0.2, top), (0.24, 0.74), (0.76, 0.74), (0.8, top)])], shade(colour, 1.18))
        canvas.box(0.46, 0.62, 0.54, 0.7, BRASS, 0.015)
    else:
        canvas.box(0.2 + slope, top, 0.8 - slope, top + 0.035, shade(colour, 0.78))
        for x in (0.34, 0.66):
            canvas.disc(x, top + 0.05, 0.016, BRASS)
    canvas.line([(0.17, 0.81), (0.83, 0.81)], 0.014, shade(colour, 0.6))


def books(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    count = 4 if variant == "stack" else 6
    for book in range(count):
        cover = colour if book in (0, count - 1) else mix(form.choice(COVERS), colour, 0.25)
        if variant == "stack":
            _lying_book(canvas, cover, 0.83 - book * 0.135, form.uniform(-0.05, 0.05))
        else:
            _standing_book(canvas, cover, 0.15 + book * 0.118, form.uniform(0.2, 0.34))


def _lying_book(canvas: Canvas, cover: Colour, bottom: float, shift: float) -> None:
    left, right, top = 0.18 + shift, 0.8 + shift, bottom - 0.115
    canvas.polygon(
        [(left, top), (left + 0.08, top - 0.05), (right + 0.08, top - 0.05), (right, top)], shade(cover, 1.2)
    )
    canvas.box(left, top, right, bottom, cover, 0.01)
    canvas.polygon(
        [(right, top), (right + 0.08, top - 0.05), (right + 0.08, bottom - 0.05), (right, bottom)],
        (238, 232, 216),
    )
    canvas.box(left + 0.16, top + 0.04, right - 0.16, bottom - 0.045, shade(cover, 1.6))


def _standing_book(canvas: Canvas, cover: Colour, left: float, top: float) -> None:
    canvas.box(left, top, left + 0.11, 0.83, cover, 0.008)
    canvas.line([(left + 0.012, top + 0.01), (left + 0.012, 0.82)], 0.008, shade(cover, 1.35))
    canvas.box(left + 0.025, top + 0.08, left + 0.085, top + 0.24, shade(cover, 1.55))
    canvas.box(left + 0.02, 0.74, left + 0.09, 0.76, shade(cover, 0.6))


def toolbox(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    canvas.line([(0.34, 0.42), (0.36, 0.3), (0.64, 0.3), (0.66, 0.42)], 0.036, BLACK)
    if variant == "with tools":
        canvas.line([(0.3, 0.44), (0.2, 0.2)], 0.03, WOOD)
        canvas.box(0.1, 0.15, 0.28, 0.22, DARK_METAL, 0.015)
        canvas.line([(0.72, 0.44), (0.82, 0.18)], 0.022, METAL)
        canvas.ring(0.83, 0.15, 0.036, 0.024, METAL)
    canvas.box(0.12, 0.42, 0.88, 0.56, shade(colour, 1.12), 0.02)
    canvas.box(0.14, 0.55, 0.86, 0.83, colour, 0.02)
    for x in (0.27, form.choice((0.5, 0.73)), 0.73):
        canvas.box(x - 0.035, 0.51, x + 0.035, 0.62, METAL, 0.008)
    canvas.line([(0.18, 0.77), (0.82, 0.77)], 0.014, shade(colour, 0.65))


def ladder(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    if variant == "step ladder":
        for x, foot in ((0.58, 0.8), (0.46, 0.62)):
            canvas.line([(x, 0.14), (foot, 0.84)], 0.022, shade(colour, 0.6))
    for x, foot in ((0.38, 0.24), (0.58, 0.64)):
        canvas.line([(x, 0.1), (foot, 0.86)], 0.034, colour)
    steps = form.choice((5, 6, 7))
    for step in range(steps):
        share = (step + 0.6) / steps
        left, right, y = 0.38 - 0.14 * share, 0.58 + 0.06 * share, 0.1 + 0.76 * share
        canvas.line([(left, y), (right, y)], 0.03, shade(colour, 1.25))
    if variant == "step ladder":
        canvas.box(0.35, 0.08, 0.61, 0.13, RUBBER, 0.01)


def tent(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    if variant == "dome":
        canvas.polygon(bezier([(0.06, 0.8), (0.18, 0.06), (0.82, 0.06), (0.94, 0.8)]), colour)
        canvas.polygon(bezier([(0.06, 0.8), (0.18, 0.06), (0.6, 0.1), (0.4, 0.8)]), shade(colour, 1.15))
        canvas.polygon([*bezier([(0.4, 0.8), (0.44, 0.3), (0.66, 0.3), (0.72, 0.8)])], shade(colour, 0.5))
        canvas.curve([(0.06, 0.8), (0.18, 0.06), (0.82, 0.06), (0.94, 0.8)], 0.012, shade(colour, 0.6))
    else:
        peak = (form.uniform(0.46, 0.54), 0.2)
        canvas.polygon([peak, (0.95, 0.8), (0.05, 0.8)], colour)
        canvas.polygon([peak, (0.34, 0.8), (0.05, 0.8)], shade(colour, 1.18))
        canvas.polygon([peak, (0.6, 0.8), (0.4, 0.8)], shade(colour, 0.42))
        canvas.polygon([peak, (0.6, 0.8), (0.68, 0.8)], shade(colour, 1.3))
    for x, away in ((0.06, -0.04), (0.94, 0.04)):
        canvas.line([(x, 0.74), (x + away, 0.83)], 0.006, (230, 230, 220))
