import json
import os
import sys
from contextlib import nullcontext
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from listings.importing.export import exported_listings


class Command(BaseCommand):
    help = "Write all listings as JSON lines, each a row that PUT /api/v1/listings/batch/ takes."

    def add_arguments(self, parser):
        parser.add_argument("--output", type=Path, help="A file. Default: standard output.")

    def handle(self, *, output: Path | None, **options):
        try:
            with output.open("w", encoding="utf-8") if output else nullcontext(self.stdout) as file:
                for row in exported_listings():
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
        except BrokenPipeError:  # the reader closed its end, such as `head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError as error:
            raise CommandError(f"{output or 'The output'} cannot be written: {error.strerror}.") from None
