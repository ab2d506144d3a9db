"""Kinds of things in the demo catalogue: category, variants, colours, scenes and price range of each."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from listings.demo import belongings, furniture, machines
from listings.demo.canvas import Canvas, Colour

INDOORS, TABLETOP, OUTDOORS = ("room", "carpet", "studio"), ("table", "cloth", "studio"), ("garden", "yard")
FABRIC = ("grey", "navy", "teal", "green", "cream", "brown", "red", "pink", "yellow")
TIMBER = ("oak", "brown", "white", "grey", "black")
GADGET = ("black", "silver", "white", "blue", "pink")
BRIGHT = ("red", "blue", "green", "yellow", "orange", "purple", "black")

Draw = Callable[[Canvas, Colour, str, Random], None]


@dataclass(frozen=True)
class Kind:
    """A kind of thing. Each variant is drawn differently and named in the title. `tilt` is in degrees."""

    name: str
    category: str
    draw: Draw
    variants: tuple[str, ...]
    colours: tuple[str, ...]
    scenes: tuple[str, ...]
    price: tuple[int, int]  # from, to
    tilt: float = 1.2


HOME = "Home & Garden"
SEATS = f"{HOME} / Dining, Living Room Furniture"
OFFICE = "Office Furniture & Equipment"
BABY = "Baby & Kids Stuff"
CLOTHES = "Clothes, Footwear & Accessories"
MUSIC = "Musical Instruments & DJ Equipment"
COMPUTERS = "Computers & Software"

_KINDS = (
    Kind(
        "sofa",
        f"{SEATS} / Sofas & Futons",
        furniture.sofa,
        ("two seater", "three seater", "corner"),
        FABRIC,
        INDOORS,
        (60, 600),
    ),
    Kind(
        "armchair",
        f"{SEATS} / Armchairs",
        furniture.armchair,
        ("wing back", "tub"),
        FABRIC,
        INDOORS,
        (25, 220),
    ),
    Kind(
        "lamp",
        f"{HOME} / Lighting & Fittings / Lamps",
        furniture.lamp,
        ("table", "floor"),
        ("cream", "red", "yellow", "teal", "orange", "navy"),
        INDOORS,
        (8, 70),
    ),
    Kind(
        "wardrobe",
        f"{HOME} / Beds & Bedroom Furniture / Wardrobes",
        furniture.wardrobe,
        ("double", "triple"),
        TIMBER,
        INDOORS,
        (40, 320),
    ),
    Kind(
        "garden bench",
        f"{HOME} / Garden & Patio / Outdoor Furniture",
        furniture.garden_bench,
        ("two seater", "three seater"),
        ("oak", "brown", "green", "teal", "white", "grey"),
        OUTDOORS,
        (30, 180),
    ),
    Kind(
        "office chair",
        f"{OFFICE} / Office Furniture / Office Chairs",
        furniture.office_chair,
        ("high back", "low back"),
        ("black", "grey", "blue", "red", "green", "brown"),
        INDOORS,
        (15, 160),
    ),
    Kind(
        "desk",
        f"{OFFICE} / Office Furniture / Desks & Tables",
        furniture.desk,
        ("drawer", "standing"),
        TIMBER,
        INDOORS,
        (30, 280),
    ),
    Kind(
        "filing cabinet",
        f"{OFFICE} / Office Furniture / Filing & Storage",
        furniture.filing_cabinet,
        ("two drawer", "four drawer"),
        ("grey", "black", "green", "white", "red"),
        INDOORS,
        (20, 110),
    ),
    Kind(
        "bicycle",
        "Sports, Leisure & Travel / Bicycles",
        machines.bicycle,
        ("road", "mountain", "step-through"),
        BRIGHT,
        (*OUTDOORS, "studio"),
        (60, 650),
    ),
    Kind(
        "tent",
        "Sports, Leisure & Travel / Camping & Hiking / Tents",
        belongings.tent,
        ("dome", "ridge"),
        ("green", "orange", "blue", "red", "yellow"),
        ("garden",),
        (20, 200),
        1.5,
    ),
    Kind(
        "phone",
        "Phones, Mobile Phones & Telecoms / Mobile Phones",
        machines.phone,
        ("front", "back"),
        GADGET,
        TABLETOP,
        (30, 520),
        35,
    ),
    Kind(
        "laptop",
        f"{COMPUTERS} / Laptops",
        machines.laptop,
        ("thirteen inch", "fifteen inch"),
        ("silver", "black", "white", "blue"),
        TABLETOP,
        (80, 900),
    ),
    Kind(
        "monitor",
        f"{COMPUTERS} / Monitors & Projectors / Monitors",
        machines.monitor,
        ("widescreen", "square"),
        ("black", "white", "silver"),
        ("table", "room", "studio"),
        (20, 240),
    ),
    Kind(
        "camera",
        "Cameras & Photography / Digital Cameras",
        machines.camera,
        ("retro", "digital"),
        ("black", "silver", "red", "brown"),
        TABLETOP,
        (35, 600),
        7,
    ),
    Kind(
        "guitar",
        f"{MUSIC} / Guitars",
        belongings.guitar,
        ("acoustic", "electric"),
        ("oak", "red", "black", "blue", "white", "orange"),
        INDOORS,
        (40, 550),
        14,
    ),
    Kind(
        "keyboard",
        f"{MUSIC} / Keyboards & Pianos",
        machines.keyboard,
        ("with stand", "portable"),
        ("black", "white", "silver", "red"),
        INDOORS,
        (40, 400),
        4,
    ),
    Kind(
        "pram",
        f"{BABY} / Prams & Strollers",
        belongings.pram,
        ("carrycot", "pushchair"),
        ("black", "grey", "navy", "red", "teal", "pink"),
        (*INDOORS, "yard"),
        (35, 350),
    ),
    Kind(
        "teddy bear",
        f"{BABY} / Toys / Soft Toys",
        belongings.teddy_bear,
        ("with bow", "plain"),
        ("brown", "cream", "pink", "grey", "oak"),
        ("cloth", "room", "carpet"),
        (3, 25),
        8,
    ),
    Kind(
        "shoes",
        f"{CLOTHES} / Shoes & Boots",
        belongings.shoes,
        ("trainers", "boots"),
        ("white", "black", "red", "blue", "brown", "green", "pink"),
        TABLETOP,
        (8, 80),
        5,
    ),
    Kind(
        "coat",
        f"{CLOTHES} / Coats & Jackets",
        belongings.coat,
        ("long", "short"),
        ("navy", "black", "red", "green", "oak", "pink", "grey"),
        ("cloth", "studio", "carpet"),
        (10, 120),
        4,
    ),
    Kind(
        "handbag",
        f"{CLOTHES} / Bags & Handbags",
        belongings.handbag,
        ("tote", "satchel"),
        ("brown", "black", "red", "yellow", "teal", "pink"),
        TABLETOP,
        (8, 150),
        4,
    ),
    Kind(
        "books",
        "Music, Films, Books & Games / Books",
        belongings.books,
        ("stack", "row"),
        ("red", "blue", "green", "yellow", "purple", "cream"),
        TABLETOP,
        (3, 30),
        3,
    ),
    Kind(
        "kettle",
        "Appliances / Kitchen Appliances / Kettles",
        machines.kettle,
        ("electric", "stove top"),
        ("silver", "red", "black", "cream", "teal"),
        ("table", "studio", "room"),
        (5, 45),
    ),
    Kind(
        "washing machine",
        "Appliances / Washing Machines",
        machines.washing_machine,
        ("front loading", "washer dryer"),
        ("white", "silver", "black"),
        INDOORS,
        (50, 280),
        1.5,
    ),
    Kind(
        "toolbox",
        "DIY Tools & Materials / Hand Tools / Tool Boxes",
        belongings.toolbox,
        ("with tools", "empty"),
        ("red", "blue", "yellow", "black", "orange"),
        ("yard", "table", "studio"),
        (10, 90),
    ),
    Kind(
        "ladder",
        "DIY Tools & Materials / Ladders",
        belongings.ladder,
        ("step ladder", "leaning"),
        ("silver", "oak", "orange", "yellow", "blue"),
        ("yard", "room", "garden"),
        (15, 110),
    ),
    Kind(
        "wheel",
        "Car Parts & Accessories / Wheels & Tyres",
        machines.wheel,
        ("five spoke", "multi spoke"),
        ("silver", "black", "white", "red"),
        ("yard", "studio", "table"),
        (25, 320),
        20,
    ),
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}
