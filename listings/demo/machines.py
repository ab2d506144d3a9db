"""Vehicles, electronics and appliances. Each function draws one kind, as in furniture.py."""

import math
from random import Random

from listings.demo.canvas import BLACK, DARK_METAL, METAL, RUBBER, WHITE, Canvas, Colour, mix, shade

SCREENS = ((52, 92, 150), (92, 62, 128), (30, 112, 110), (196, 110, 70), (40, 44, 60))
BRASS = (196, 158, 84)


def bicycle(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    radius, tyre = form.uniform(0.175, 0.19), 0.026 if variant == "mountain" else 0.014
    for x in (0.26, 0.74):
        _spoked_wheel(canvas, x, 0.64, radius, tyre)
    pedals, seat, head = (0.46, 0.66), (0.41, 0.38), (0.66, 0.37)
    lower = (0.64, 0.62) if variant == "step-through" else (0.45, 0.42)
    for start, end in (
        (head, pedals),
        (pedals, seat),
        (lower, head),
        ((0.26, 0.64), pedals),
        ((0.26, 0.64), seat),
    ):
        canvas.line([start, end], 0.021, colour)
    if variant == "step-through":
        canvas.curve([(0.66, 0.42), (0.55, 0.56), (0.44, 0.55)], 0.021, colour)
    canvas.line([(0.65, 0.3), (0.74, 0.64)], 0.02, shade(colour, 0.85))
    canvas.line([seat, (0.395, 0.32)], 0.014, METAL)
    canvas.box(0.33, 0.295, 0.45, 0.325, BLACK, 0.014)
    _handlebar(canvas, variant)
    canvas.ring(*pedals, 0.045, 0.012, DARK_METAL)
    canvas.line([(0.46, 0.6), (0.46, 0.74), (0.5, 0.74)], 0.014, DARK_METAL)


def _spoked_wheel(canvas: Canvas, x: float, y: float, radius: float, tyre: float) -> None:
    for turn in range(0, 180, 20):
        across, along = radius * math.cos(math.radians(turn)), radius * math.sin(math.radians(turn))
        canvas.line([(x - across, y - along), (x + across, y + along)], 0.003, METAL)
    canvas.ring(x, y, radius, tyre, RUBBER)
    canvas.ring(x, y, radius - tyre * 0.9, 0.008, METAL)
    canvas.disc(x, y, 0.018, DARK_METAL)


def _handlebar(canvas: Canvas, variant: str) -> None:
    canvas.line([(0.65, 0.3), (0.64, 0.26)], 0.016, DARK_METAL)
    if variant == "road":
        canvas.curve([(0.63, 0.26), (0.75, 0.22), (0.76, 0.34), (0.68, 0.35)], 0.018, BLACK)
    elif variant == "mountain":
        canvas.line([(0.6, 0.265), (0.69, 0.245)], 0.024, BLACK)
    else:
        canvas.curve([(0.64, 0.26), (0.66, 0.18), (0.54, 0.24)], 0.018, BLACK)


def phone(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    roundness = form.uniform(0.03, 0.06)
    canvas.box(0.3, 0.12, 0.72, 0.88, shade(colour, 0.6), roundness)
    canvas.box(0.28, 0.12, 0.7, 0.88, colour, roundness)
    if variant == "back":
        canvas.box(0.31, 0.15, 0.47 + 0.04, 0.34, shade(colour, 0.8), 0.04)
        for x, y in ((0.365, 0.2), (0.365, 0.29), (0.45, 0.245)):
            canvas.disc(x, y, 0.036, BLACK)
            canvas.disc(x - 0.008, y - 0.008, 0.012, (70, 84, 120))
        return
    _phone_screen(canvas, form)


def _phone_screen(canvas: Canvas, form: Random) -> None:
    screen = form.choice(SCREENS)
    canvas.box(0.3, 0.15, 0.68, 0.85, screen, 0.02)
    canvas.polygon([(0.3, 0.6), (0.68, 0.3), (0.68, 0.84), (0.3, 0.84)], shade(screen, 1.2))
    for row in range(3):
        for column in range(3):
            icon = shade(form.choice(SCREENS), 1.5)
            canvas.box(*_square(0.345 + column * 0.115, 0.5 + row * 0.1, 0.065), icon, 0.015)
    canvas.box(0.44, 0.165, 0.54, 0.185, BLACK, 0.01)


def _square(x: float, y: float, side: float) -> tuple[float, float, float, float]:
    return x, y, x + side, y + side


def laptop(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    screen = form.choice(SCREENS)
    canvas.box(0.17, 0.18, 0.83, 0.63, shade(colour, 0.9), 0.025)
    canvas.box(0.19, 0.2, 0.81, 0.6, BLACK, 0.012)
    canvas.box(0.205, 0.22, 0.795, 0.585, screen)
    canvas.polygon(
        [(0.205, 0.5), (0.5, 0.3), (0.795, 0.45), (0.795, 0.585), (0.205, 0.585)], shade(screen, 1.25)
    )
    if form.random() < 0.5:
        canvas.box(0.27, 0.27, 0.5, 0.45, (240, 240, 244), 0.01)
    canvas.polygon([(0.17, 0.63), (0.83, 0.63), (0.94, 0.81), (0.06, 0.81)], shade(colour, 1.15))
    canvas.polygon([(0.06, 0.81), (0.94, 0.81), (0.92, 0.835), (0.08, 0.835)], shade(colour, 0.65))
    for row in range(4):
        y, slope = 0.645 + row * 0.026, row * 0.0155
        canvas.polygon(
            [(0.2 - slope, y), (0.8 + slope, y), (0.813 + slope, y + 0.02), (0.187 - slope, y + 0.02)], BLACK
        )
    canvas.polygon([(0.41, 0.76), (0.59, 0.76), (0.6, 0.805), (0.4, 0.805)], shade(colour, 0.95))


def monitor(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    screen, width = form.choice(SCREENS), 0.45 if variant == "widescreen" else 0.36
    canvas.box(0.46, 0.6, 0.54, 0.8, shade(colour, 0.8))
    canvas.disc(0.5, 0.81, form.uniform(0.14, 0.18), shade(colour, 0.7), height=0.03)
    canvas.box(0.5 - width, 0.2, 0.5 + width, 0.67, colour, 0.018)
    canvas.box(0.52 - width, 0.22, 0.48 + width, 0.62, screen)
    shine = [(0.52 - width, 0.62), (0.45, 0.22), (0.62, 0.22), (0.35, 0.62)]
    canvas.polygon(shine, shade(screen, 1.18))
    canvas.disc(0.5, 0.645, 0.008, METAL)


def camera(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    canvas.polygon([(0.36, 0.34), (0.42, 0.24), (0.58, 0.24), (0.64, 0.34)], shade(colour, 0.9))
    canvas.box(0.2, 0.27, 0.31, 0.36, METAL, 0.01)
    canvas.box(0.14, 0.33, 0.86, 0.78, colour, 0.05)
    canvas.box(0.14, 0.43, 0.86, 0.68, mix(colour, BLACK, 0.6) if variant == "retro" else shade(colour, 1.12))
    canvas.box(0.7, 0.355, 0.8, 0.41, (210, 225, 235), 0.01)
    x, radius = (0.5, form.uniform(0.19, 0.215))
    for share, ring in (
        (1, BLACK),
        (0.86, DARK_METAL),
        (0.78, BLACK),
        (0.55, (36, 40, 72)),
        (0.34, (70, 62, 120)),
    ):
        canvas.disc(x, 0.56, radius * share, ring)
    canvas.disc(x - 0.05, 0.5, 0.025, (210, 220, 245))
    canvas.disc(0.24, 0.265, 0.028, (180, 50, 46) if variant == "retro" else BLACK, height=0.016)


def kettle(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    low = form.uniform(0.21, 0.25)
    canvas.curve([(0.64, 0.36), (0.92, 0.28), (0.9, 0.62), (0.68, 0.7)], 0.042, BLACK)
    canvas.polygon([(0.36, 0.4), (0.2, 0.32), (0.24, 0.3), (0.4, 0.33)], shade(colour, 0.75))
    body = [(0.37, 0.3), (0.63, 0.3), (0.5 + low, 0.8), (0.5 - low, 0.8)]
    canvas.polygon(body, colour)
    canvas.polygon([(0.41, 0.3), (0.48, 0.3), (0.46, 0.8), (0.36, 0.8)], shade(colour, 1.35))
    canvas.disc(0.5, 0.3, 0.13, shade(colour, 0.85), height=0.035)
    canvas.disc(0.5, 0.255, 0.026, BLACK)
    canvas.box(0.48 - low, 0.79, 0.52 + low, 0.84, RUBBER, 0.015)
    if variant == "electric":
        canvas.box(0.6, 0.45, 0.625, 0.68, (190, 220, 236), 0.01)
    else:
        canvas.curve([(0.37, 0.28), (0.5, 0.02), (0.63, 0.28)], 0.03, BRASS)


def washing_machine(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    canvas.polygon([(0.78, 0.14), (0.84, 0.17), (0.84, 0.8), (0.78, 0.84)], shade(colour, 0.6))
    canvas.box(0.22, 0.14, 0.78, 0.84, colour, 0.012)
    canvas.box(0.22, 0.14, 0.78, 0.26, shade(colour, 0.88), 0.012)
    canvas.box(0.24, 0.165, 0.4, 0.235, shade(colour, 1.1), 0.01)
    canvas.disc(0.5, 0.2, 0.032, METAL)
    canvas.box(0.6, 0.175, 0.74, 0.225, (40, 60, 70), 0.008)
    radius = form.uniform(0.19, 0.215)
    canvas.disc(0.5, 0.53, radius, METAL if variant == "front loading" else DARK_METAL)
    canvas.disc(0.5, 0.53, radius * 0.8, (46, 54, 66))
    canvas.disc(0.5, 0.56, radius * 0.62, (92, 112, 134))
    canvas.polygon([(0.4, 0.45), (0.46, 0.4), (0.5, 0.42), (0.42, 0.52)], (190, 204, 220))
    canvas.box(0.22, 0.79, 0.78, 0.84, shade(colour, 0.8))


def wheel(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    canvas.disc(0.53, 0.5, 0.36, shade(RUBBER, 0.7))
    canvas.disc(0.49, 0.5, 0.36, RUBBER)
    canvas.ring(0.49, 0.5, 0.31, 0.012, shade(RUBBER, 1.25))
    canvas.disc(0.49, 0.5, 0.255, shade(colour, 0.55))
    spokes = form.choice((5, 6)) if variant == "five spoke" else 12
    for spoke in range(spokes):
        turn = math.tau * spoke / spokes
        end = (0.49 + 0.235 * math.sin(turn), 0.5 + 0.235 * math.cos(turn))
        canvas.line([(0.49, 0.5), end], 0.06 if spokes < 7 else 0.022, shade(colour, 1.05))
    canvas.ring(0.49, 0.5, 0.24, 0.03, shade(colour, 1.2))
    canvas.disc(0.49, 0.5, 0.06, colour)
    for nut in range(5):
        turn = math.tau * nut / 5
        canvas.disc(0.49 + 0.036 * math.sin(turn), 0.5 + 0.036 * math.cos(turn), 0.009, DARK_METAL)


def keyboard(canvas: Canvas, colour: Colour, variant: str, form: Random) -> None:
    if variant == "with stand":
        canvas.line([(0.25, 0.55), (0.72, 0.86)], 0.03, DARK_METAL)
        canvas.line([(0.75, 0.55), (0.28, 0.86)], 0.03, DARK_METAL)
    canvas.box(0.04, 0.34, 0.96, 0.62, colour, 0.015)
    canvas.box(0.4, 0.365, 0.6, 0.415, (60, 90, 100), 0.006)
    for knob in range(4):
        canvas.disc(0.12 + knob * 0.06, 0.39, 0.014, METAL)
    keys = form.choice((22, 26, 30))
    step = 0.88 / keys
    for key in range(keys):
        canvas.box(0.06 + key * step, 0.44, 0.06 + (key + 0.86) * step, 0.6, WHITE)
    for key in range(keys - 1):
        if key % 7 not in (2, 6):
            canvas.box(0.06 + (key + 0.6) * step, 0.44, 0.06 + (key + 1.2) * step, 0.535, BLACK)
