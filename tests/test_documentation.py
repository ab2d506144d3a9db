"""README and docs/: whatever a page names exists, and the front page stays short."""

import pytest

from tests import document_checks as checks
from tests.document_checks import PAGES, ROOT
from tests.document_settings import unknown_settings

README = ROOT / "README.md"
FRONT_PAGE_BYTES = 10_000
# Its addresses are patterns, and tests/marketplace/web/test_access.py sends a request to each.
PATTERNS = {"access.md"}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def test_the_front_page_is_short():
    assert len(README.read_bytes()) < FRONT_PAGE_BYTES


def test_the_front_page_leads_to_every_other_page():
    linked = {(ROOT / target).resolve() for target in checks.LINK.findall(README.read_text())}
    assert {page for page in PAGES if page != README} <= linked


@each_page
def test_links_of_the_documentation_lead_somewhere(page):
    assert checks.broken_links(page.read_text(), page) == []


@each_page
def test_documented_commands_exist_with_their_options(page):
    assert checks.wrong_commands(page.read_text()) == []


@each_page
def test_documented_urls_are_served_by_the_methods_named(page):
    if page.name not in PATTERNS:
        assert checks.wrong_addresses(page.read_text()) == []


@each_page
def test_documented_settings_are_read_by_the_code(page):
    assert unknown_settings(page.read_text()) == []


@each_page
def test_documented_files_exist_and_contain_what_the_page_names(page):
    assert checks.missing_files(page.read_text()) == []


class TestTheChecks:
    """A check that cannot fail would say nothing of the pages."""

    @pytest.mark.parametrize(
        "text",
        [
            "[a page](docs/nowhere.md)",
            "[a heading](docs/settings.md#nowhere)",
            "[a heading of this page](#nowhere)",
        ],
    )
    def test_the_check_of_links_finds_a_broken_one(self, text):
        assert len(checks.broken_links(text, README)) == 1

    @pytest.mark.parametrize(
        "text",
        [
            "`make nothing`",
            "```sh\nmake nothing\n```",
            "`make test NOBODY=1`",
            "`manage.py nothing`",
            "`manage.py backup DIR --nothing`",
            "`manage.py train nothing`",
            "`manage.py train backbone --tune`",
            "`issue_key NAME --nothing`",
            "`--nothing`",
            "`python -m benchmarks.nothing --data DIR`",
            "`python -m benchmarks.gowalla --nothing`",
            "`python -m benchmarks.soak --nothing`",
            "`python -m recommendations.feed`",
            "| `simulate` | adds shoppers; `--rollback` |",
            "| `python -m benchmarks.` | |\n| --- | --- |\n| `nothing` | |\n",
        ],
    )
    def test_the_check_of_commands_finds_a_wrong_one(self, text):
        assert len(checks.wrong_commands(text)) == 1

    @pytest.mark.parametrize(
        "text",
        [
            "`/nowhere`",
            "`POST /api/v1/feed/`",
            "`GET /api/v1/listings/{id}/nothing/`",
            '```sh\nAPI=http://127.0.0.1:8000/api/v1\ncurl -s "$API/nowhere/?limit=5"\n```',
            "```sh\nAPI=http://127.0.0.1:8000/api/v1\ncurl -s $API/feed/ -d '{}'\n```",
            "```sh\ncurl -s $ELSEWHERE/feed/\n```",
        ],
    )
    def test_the_check_of_urls_finds_a_wrong_one(self, text):
        assert len(checks.wrong_addresses(text)) == 1

    @pytest.mark.parametrize(
        "text",
        [
            "`SLATE_YEARS`",
            "`SLATE_YEARS=3`",
            "```sh\nexport SLATE_YEARS=3\n```",
            "`recommendations/ranking/scoring.py`: `NO_SUCH_WEIGHTS`",
        ],
    )
    def test_the_check_of_settings_finds_an_unknown_one(self, text):
        assert len(unknown_settings(text)) == 1

    @pytest.mark.parametrize(
        "text",
        ["`ml/nothing.py`", "`recommendations/nothing`", "| 1 | `ml/arrays.py` | `no_such_function` |"],
    )
    def test_the_check_of_files_finds_a_missing_one(self, text):
        assert len(checks.missing_files(text)) == 1

    def test_the_checks_of_the_documentation_pass_a_correct_page(self):
        text = "`make test ARGS=x` `manage.py train collaborative --tune` `GET /livez` `SLATE_DAYS`"
        text += " `python -m benchmarks.soak --json` `recommendations/ranking/scoring.py`: `COLD_WEIGHTS`"
        problems = checks.wrong_commands(text) + checks.wrong_addresses(text) + unknown_settings(text)
        assert problems == []
