"""What a process loads, how packages are laid out, and that docs/architecture.md tells it so.

Contracts in pyproject.toml say which imports are allowed.
"""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
DJANGO = ("marketplace", "recommendations", "listings")
# What a serving process has no need of: workers and commands load it when they encode or train.
HEAVY = ("torch", "torchvision", "transformers", "sklearn", "implicit")
SERVE_ONE_FEED = """
import sys
from django.test import Client
from marketplace.wsgi import application
response = Client().get("/api/v1/feed/", headers={"host": "localhost"})
schema = Client().get("/api/schema/", headers={"host": "localhost"})
print(response.status_code, schema.status_code, *sorted({name.split(".")[0] for name in sys.modules}))
"""

SERVE_QUERIES = """
import io, sys
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from marketplace.wsgi import application
from PIL import Image
photo = io.BytesIO()
Image.new("RGB", (96, 64), "navy").save(photo, "JPEG")
def ask(path, field):
    upload = SimpleUploadedFile("a.jpg", photo.getvalue())
    return Client().post(path, {field: upload, "words": "sofa"}, headers={"host": "localhost"}).status_code
codes = [ask("/predict/feature_embedding", "image"), ask("/predict/similar_images", "file")]
codes += [ask("/predict/category", "image"), ask("/api/v1/classify/", "photo")]
codes += [ask("/api/v1/search/", "photo")]
print(*codes, *sorted({name.split(".")[0] for name in sys.modules}))
"""


def imports(nodes: Iterator[ast.AST]) -> set[str]:
    """The top packages that these statements import."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add("." if node.level else node.module)
    return {name.split(".")[0] or "." for name in names}


def imports_at_load(file: Path) -> set[str]:
    """Those that run when the module is imported: not in functions, nor for type checkers alone."""
    return imports(_at_load(ast.parse(file.read_text())))


def _at_load(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield child
        yield from _at_load(child)


def test_outside_ml_nothing_heavy_is_imported_with_a_module():
    files = {package: sorted((ROOT / package).rglob("*.py")) for package in DJANGO}
    assert all(len(modules) > 5 for modules in files.values())
    heavy = [file for modules in files.values() for file in modules if imports_at_load(file) & set(HEAVY)]
    assert heavy == []


@pytest.mark.parametrize("package", ["ml", *DJANGO])
def test_a_folder_holds_at_most_twelve_modules(package):
    """Commands and migrations lie where Django wants them."""
    folders = {file.parent for file in (ROOT / package).rglob("*.py")}
    sizes = {
        str(folder.relative_to(ROOT)): len([file for file in folder.glob("*.py") if file.stem != "__init__"])
        for folder in folders
        if folder.name not in ("commands", "migrations")
    }
    assert {name: size for name, size in sizes.items() if size > 12} == {}


def promises() -> dict[str, str | None]:
    """Package -> its promise, the first sentence of its docstring. Commands and migrations are Django's."""
    found = {}
    for app in ("ml", *DJANGO):
        for file in sorted((ROOT / app).rglob("__init__.py")):
            if not {"management", "migrations"} & set(file.parts):
                docstring = ast.get_docstring(ast.parse(file.read_text()))
                sentence = docstring and " ".join(docstring.split()).partition(". ")[0].rstrip(".")
                found[str(file.parent.relative_to(ROOT))] = sentence
    return found


def test_every_package_states_its_promise():
    assert len(promises()) > 30
    assert [package for package, promise in promises().items() if not promise] == []


def test_the_page_has_every_package_with_its_promise():
    rows = re.findall(r"^\| `([a-z][\w/]*)` \| ([^|]+) \|.*\|$", PAGE, re.MULTILINE)
    assert dict(rows) == promises()


def test_the_page_draws_the_layers_of_the_contracts():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [layer for contract in contracts for layer in contract.get("layers", [])]
    section = PAGE.partition("\n## Layers\n")[2].partition("\n## ")[0]
    assert re.findall(r'\["([^"]+)"\]', section) == [layer.replace(" | ", ", ") for layer in layers]


def servers(settings) -> dict[str, str]:
    """An environment that leads to the servers of this test."""
    database = settings.DATABASES["default"]
    url = f"postgresql://{database['USER']}@/{database['NAME']}?host={database['HOST']}"
    return os.environ | {"DATABASE_URL": url, "REDIS_URL": settings.REDIS_URL}


def run(program: str, environment: dict[str, str]) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


class TestServing:
    def test_a_web_process_that_serves_a_feed_loads_no_heavy_package(self, transactional_db, settings):
        environment = servers(settings)
        served = run(SERVE_ONE_FEED, environment)
        feed, schema, *loaded = served.stdout.split()
        assert (feed, schema) == ("200", "200"), served.stderr
        assert "faiss" in loaded
        assert not set(loaded) & set(HEAVY)

    def test_a_web_process_that_serves_photo_queries_loads_no_heavy_package(
        self, encode_worker, settings, tmp_path
    ):
        environment = servers(settings) | {"VAR": str(tmp_path), "ENCODE_TIMEOUT_S": "20"}
        served = run(SERVE_QUERIES, environment)
        features, similar, category, classify, _, *loaded = served.stdout.split()
        assert (features, similar) == ("200", "200"), served.stderr
        assert (category, classify) == ("503", "503")  # nothing was trained
        assert not set(loaded) & set(HEAVY)
