from typing import TextIO, cast

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.table import Table
from rich.text import Text

from recommendations.slates.audit import AuditedPlace, NoSuchSlate, SlateAudit, audit_slate

WIDTH = 160  # of the table if the output is not a terminal


class Command(BaseCommand):
    help = (
        "Rebuild the order of a slate from what was stored with it: listings, reasons, propensities, "
        "features and versions. Reports which inputs are gone."
    )

    def add_arguments(self, parser):
        parser.add_argument("slate", metavar="ID", help="the `slate_id` of a page")

    def handle(self, slate: str, **options):
        try:
            account = audit_slate(slate)
        except NoSuchSlate as error:
            raise CommandError(error.detail) from None
        for line in _about(account):
            self.stdout.write(line)
        output = cast(TextIO, self.stdout._out)
        Console(file=output, width=None if output.isatty() else WIDTH).print(_table(account.places))
        for sentence in account.gone or ["All that it was made of is still there."]:
            self.stdout.write(sentence)


def _about(account: SlateAudit) -> list[str]:
    slate = account.slate
    made = timezone.localtime(slate.created_at).isoformat(timespec="seconds")
    lines = [f"{slate.surface} for {slate.actor or 'nobody known'}, {made}, seed {slate.seed}"]
    lines += [f"{name}: {_comma_separated(values)}" for name, values in _details(account) if values]
    return lines


def _details(account: SlateAudit) -> list[tuple[str, dict]]:
    served = {f"{offset + 1}-{offset + count}": f"{at:%H:%M:%S}" for offset, count, at in account.pages}
    return [
        ("versions", account.slate.versions),
        ("parameters", account.slate.parameters),
        ("served", served),
    ]


def _comma_separated(values: dict) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _table(places: list[AuditedPlace]) -> Table:
    table = Table("place", "listing", "reason", "propensity", "features")
    for place in places:
        table.add_row(
            str(place.number),
            Text(_label(place)),
            place.reason or "—",
            "—" if place.propensity is None else f"{place.propensity:.3g}",
            ", ".join(f"{name} {value:.4g}" for name, value in place.features.items()),
        )
    return table


def _label(place: AuditedPlace) -> str:
    """Title, id and status of the listing."""
    listing = place.listing
    if listing is None:
        return f"deleted ({place.listing_id})"
    return f"{listing.title} ({listing.external_id}, {listing.status})"
