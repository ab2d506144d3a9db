from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from listings.errors import DomainError
from recommendations import replay_report
from recommendations.progress import progress_bar
from recommendations.rendering import print_report, to_json_text
from recommendations.replay import REWARDS, replay
from recommendations.replay_policy import Policy

PLAIN_WIDTH = 140  # characters, where stdout is not a terminal


class Command(BaseCommand):
    help = (
        "Off-policy evaluation: estimate the reward that other source weights, or another ranker, would have "
        "earned in the exploration slots of served feeds. Prints 95 % intervals, and the same estimates for "
        "the order that was served. Changes nothing."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--policy",
            type=Path,
            required=True,
            metavar="FILE",
            help='JSON: {"parameters": {"source_weights": {"fresh": 2}}, "ranker": "active"}; the ranker is '
            '"active", a version that `train ranker --list` shows, or null for the blend (default)',
        )
        parser.add_argument(
            "--reward",
            choices=list(REWARDS),
            default="graded",
            help="the kind of reward (default: %(default)s)",
        )
        parser.add_argument(
            "--json", dest="is_json", action="store_true", help="print the figures as JSON, and nothing else"
        )

    def handle(self, *, policy: Path, reward: str, is_json: bool, **options):
        try:
            target = Policy.read(policy)
            with progress_bar("Reading slates") as progress:
                result = replay(target, reward=reward, now=timezone.now(), progress=progress)
        except DomainError as error:
            raise CommandError(error.detail) from None
        except OSError as error:
            raise CommandError(f"The policy cannot be read: {error}") from None
        if is_json:
            self.stdout.write(to_json_text(result))
        else:
            table, footnote = replay_report.table(result), replay_report.footnote()
            sentences = replay_report.sentences(result)
            print_report(self.stdout, sentences, [table], footnote, width=PLAIN_WIDTH)
