from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from listings.errors import DomainError
from recommendations.analysis import off_policy_report
from recommendations.analysis.off_policy import REWARDS, evaluate_policy
from recommendations.analysis.off_policy_candidates import Policy
from recommendations.analysis.rendering import print_report, to_json_text
from recommendations.core.progress import progress_bar

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
                result = evaluate_policy(target, reward=reward, now=timezone.now(), progress=progress)
        except DomainError as error:
            raise CommandError(error.detail) from None
        except OSError as error:
            raise CommandError(f"The policy cannot be read: {error}") from None
        if is_json:
            self.stdout.write(to_json_text(result))
        else:
            table, footnote = off_policy_report.table(result), off_policy_report.footnote()
            sentences = off_policy_report.sentences(result)
            print_report(self.stdout, sentences, [table], footnote, width=PLAIN_WIDTH)
