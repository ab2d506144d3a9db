"""Titles and descriptions of the demo's listings, consistent with their pictures."""

from random import Random

# Exceptions to "variant kind".
NOUNS = {
    ("desk", "drawer"): "desk with drawers",
    ("phone", "front"): "mobile phone",
    ("phone", "back"): "smartphone",
    ("laptop", "thirteen inch"): "13 inch laptop",
    ("laptop", "fifteen inch"): "15 inch laptop",
    ("keyboard", "with stand"): "electronic keyboard with stand",
    ("keyboard", "portable"): "portable electronic keyboard",
    ("pram", "carrycot"): "pram with carrycot",
    ("pram", "pushchair"): "pushchair",
    ("teddy bear", "with bow"): "teddy bear with a bow",
    ("teddy bear", "plain"): "teddy bear",
    ("shoes", "trainers"): "trainers",
    ("shoes", "boots"): "leather boots",
    ("handbag", "tote"): "tote handbag",
    ("handbag", "satchel"): "satchel handbag",
    ("books", "stack"): "hardback books",
    ("books", "row"): "paperback books",
    ("washing machine", "washer dryer"): "washer dryer",
    ("toolbox", "with tools"): "toolbox with tools",
    ("toolbox", "empty"): "toolbox",
    ("ladder", "step ladder"): "step ladder",
    ("ladder", "leaning"): "ladder",
    ("wheel", "five spoke"): "five spoke alloy wheel",
    ("wheel", "multi spoke"): "multi spoke alloy wheel",
}

FACTS = {
    "sofa": (
        "Deep seats and firm cushions.",
        "The covers come off for washing.",
        "The feet unscrew, so it goes through a narrow door.",
    ),
    "armchair": (
        "Lovely for reading in.",
        "The seat cushion turns over.",
        "It matches most sofas and takes little room.",
    ),
    "lamp": (
        "The bulb is included.",
        "A warm light for a corner or a bedside.",
        "The switch is on the cable.",
    ),
    "wardrobe": (
        "A hanging rail and a shelf inside.",
        "It comes apart for moving; I have all the screws.",
        "The doors close well.",
    ),
    "garden bench": (
        "Solid hardwood slats.",
        "It has stood under cover in winter.",
        "Made to stay outdoors all year.",
    ),
    "office chair": (
        "The height and the tilt adjust.",
        "The castors roll well on carpet.",
        "Good support for long days at a desk.",
    ),
    "desk": (
        "Plenty of room for a screen and papers.",
        "A sturdy top, 120 by 60 cm.",
        "From a home office that we no longer need.",
    ),
    "filing cabinet": (
        "Holds A4 and foolscap files.",
        "It locks, and both keys are there.",
        "The drawers run smoothly.",
    ),
    "bicycle": (
        "New brake pads and a fresh chain.",
        "The gears shift cleanly.",
        "A medium frame, for about 165 to 180 cm.",
    ),
    "tent": (
        "Sleeps three.",
        "All poles and pegs are in the bag.",
        "It kept us dry through a wet week in Wales.",
    ),
    "phone": (
        "Unlocked to any network.",
        "128 GB, and the battery lasts the day.",
        "Wiped and ready; comes with a charging cable.",
    ),
    "laptop": (
        "8 GB of memory and a 256 GB drive.",
        "Freshly installed, no password.",
        "The charger is included, and the battery holds about five hours.",
    ),
    "monitor": (
        "HDMI and DisplayPort, cable included.",
        "No dead pixels.",
        "The stand tilts and comes off for an arm.",
    ),
    "camera": (
        "Comes with a battery, charger and strap.",
        "The lens is clean, no fungus or scratches.",
        "A good first camera for somebody who wants to learn.",
    ),
    "guitar": ("Set up with new strings.", "A straight neck and a low action.", "Comes with a soft case."),
    "keyboard": (
        "All keys work.",
        "The power supply is included.",
        "Touch-sensitive keys and a headphone socket.",
    ),
    "pram": (
        "The rain cover is included.",
        "It folds flat for the car.",
        "Brakes and straps work as they should.",
    ),
    "teddy bear": (
        "About 40 cm tall.",
        "Washed and clean.",
        "Looking for a new home now the children are grown.",
    ),
    "shoes": ("Size 7.", "True to size and comfortable.", "The soles have plenty of life left."),
    "coat": ("Size 12.", "Fully lined and warm.", "All buttons are there, and the pockets are whole."),
    "handbag": (
        "Room for a tablet and a bottle.",
        "Two inside pockets, one with a zip.",
        "The lining is clean.",
    ),
    "books": ("From a home without pets.", "Novels and some history.", "No torn or missing pages."),
    "kettle": ("Holds 1.7 litres.", "Descaled last week.", "Boils quickly and does not drip."),
    "washing machine": ("8 kg drum, 1400 spin.", "The hoses come with it.", "Quiet, and no leaks."),
    "toolbox": (
        "Strong catches and a tray inside.",
        "Big enough for a long saw.",
        "From a garage clear-out.",
    ),
    "ladder": (
        "Rubber feet that do not slip.",
        "Light to carry, and stable.",
        "It reaches a normal ceiling.",
    ),
    "wheel": ("17 inch, five stud.", "5 mm of tread left.", "Straight and balanced."),
}

# By condition: endings for the title, a sentence for the description, a factor for the price.
CONDITIONS = {
    "new": (("brand new", "never used"), "It was an unwanted gift and has never been used.", 1.0),
    "like_new": (("barely used", "as new"), "Used a handful of times; it looks as new.", 0.85),
    "good": (("good condition", "well looked after"), "Good used condition, with hardly a mark.", 0.65),
    "fair": (("some wear", "fair condition"), "It has honest signs of wear, as the price shows.", 0.42),
    "for_parts": (("spares or repairs", "needs repair"), "Sold as it is, for spares or repair.", 0.2),
}
CONDITION_SHARES = (8, 24, 44, 19, 5)

ENDINGS = (
    "Collection only, please.",
    "Cash on collection.",
    "From a smoke-free home.",
    "I can deliver nearby for petrol money.",
    "Sensible offers are welcome.",
    "First to see it will buy it.",
)


def noun_of(kind: str, variant: str) -> str:
    """The usual name, such as `three seater sofa` or `trainers`."""
    return NOUNS.get((kind, variant), f"{variant} {kind}")


def title_of(noun: str, colour: str, condition: str, rng: Random) -> str:
    tail = rng.choice(CONDITIONS[condition][0])
    forms = f"{colour} {noun}, {tail}", f"{noun} in {colour}, {tail}", f"{colour} {noun} - {tail}"
    title = rng.choice(forms)
    return title[0].upper() + title[1:]


def description_of(kind: str, noun: str, colour: str, condition: str, rng: Random) -> str:
    facts = rng.sample(FACTS[kind], 2)
    opening = rng.choice((f"Selling my {colour} {noun}.", f"For sale: {colour} {noun}."))
    return " ".join([opening, *facts, CONDITIONS[condition][1], rng.choice(ENDINGS)])
