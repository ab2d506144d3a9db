"""What django-unfold is told of this site: its name, its menu, and the green of the shop."""

from typing import Any

# From light to dark, around the shop's accent.
GREEN = {
    "50": "#eefaf5",
    "100": "#d5f2e6",
    "200": "#aee5d0",
    "300": "#7bd1b3",
    "400": "#45b590",
    "500": "#219a76",
    "600": "#0d7d5f",
    "700": "#0d6b52",
    "800": "#0d5040",
    "900": "#0b4235",
    "950": "#04251e",
}
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Marketplace",
    "SITE_HEADER": "Marketplace",
    "SITE_SYMBOL": "storefront",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "/static/storefront/icon.svg"}],
    "SHOW_VIEW_ON_SITE": False,
    "COLORS": {"primary": GREEN},
    "SIDEBAR": {"navigation": "marketplace.staff.site.sidebar"},
}
