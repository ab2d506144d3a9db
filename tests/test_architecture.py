"""Imports run one way: marketplace -> recommendations -> {listings, ml}."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

import recommendations

ROOT = Path(__file__).resolve().parents[1]
HOUSE = ("marketplace", "recommendations", "listings", "ml")
MAY_IMPORT = {
    "marketplace": {"marketplace", "recommendations", "listings", "ml"},
    "recommendations": {"recommendations", "listings", "ml"},
    "listings": {"listings"},
    "ml": {"ml"},
}
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


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(nodes: Iterator[ast.AST]) -> set[str]:
    """The top packages that these statements import."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add("." if node.level else node.module)
    return {name.split(".")[0] or "." for name in names}


def all_imports(file: Path) -> set[str]:
    return imports(ast.walk(ast.parse(file.read_text())))


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


def modules_with(packages: Iterable[str], is_wrong: Callable[[Path], object]) -> list[str]:
    """The modules of these packages that break a rule; the packages have some that could."""
    files = {package: modules(package) for package in packages}
    assert all(len(found) > 5 for found in files.values())
    return [str(file.relative_to(ROOT)) for found in files.values() for file in found if is_wrong(file)]


class TestImports:
    @pytest.mark.parametrize("package", HOUSE)
    def test_they_run_one_way(self, package):
        forbidden = set(HOUSE) - MAY_IMPORT[package]
        assert modules_with([package], lambda file: all_imports(file) & forbidden) == []

    def test_they_name_the_whole_path(self):
        assert modules_with(HOUSE, lambda file: "." in all_imports(file)) == []

    def test_ml_knows_neither_django_nor_a_database(self):
        outside = {"django", "rest_framework", "celery", "redis", "psycopg", "pydantic", "pydantic_settings"}
        assert modules_with(["ml"], lambda file: all_imports(file) & outside) == []

    def test_outside_ml_nothing_heavy_is_imported_with_a_module(self):
        django = ("marketplace", "recommendations", "listings")
        assert modules_with(django, lambda file: imports_at_load(file) & set(HEAVY)) == []

    def test_nothing_imports_the_tests_or_benchmarks(self):
        assert modules_with(HOUSE, lambda file: all_imports(file) & {"tests", "benchmarks"}) == []


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
    def test_a_web_process_loads_neither_torch_nor_what_comes_with_it(self, transactional_db, settings):
        environment = servers(settings)
        served = run(SERVE_ONE_FEED, environment)
        feed, schema, *loaded = served.stdout.split()
        assert (feed, schema) == ("200", "200"), served.stderr
        assert "faiss" in loaded
        assert not set(loaded) & set(HEAVY)

    def test_nor_when_it_is_asked_with_words_and_photos(self, encode_worker, settings, tmp_path):
        environment = servers(settings) | {"VAR": str(tmp_path), "ENCODE_TIMEOUT_S": "20"}
        served = run(SERVE_QUERIES, environment)
        features, similar, category, classify, _, *loaded = served.stdout.split()
        assert (features, similar) == ("200", "200"), served.stderr
        assert (category, classify) == ("503", "503")  # nothing was trained
        assert not set(loaded) & set(HEAVY)


def test_the_map_of_the_recommendations_names_every_module_once():
    lines = (recommendations.__doc__ or "").splitlines()[1:]
    named = re.findall(r"[a-z_]+", " ".join(line[16:] for line in lines))
    assert sorted(named) == sorted(file.stem for file in modules("recommendations") if is_room(file))


def is_room(file: Path) -> bool:
    return file.parent == ROOT / "recommendations" and file.stem != "__init__"
