"""Checks of the pages for readers: links, commands, addresses and settings that a page names have to exist.

Each check takes the text of a page and returns a list of problems, one sentence each.
"""

import argparse
import importlib.util
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from django.core.management import get_commands, load_command_class
from django.urls import Resolver404, resolve

from marketplace.configuration.environment import Environment

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")))
FOLDERS = ("marketplace", "recommendations", "listings", "ml", "benchmarks", "tests", "docs")
OWN_APPS = ("listings", "recommendations", "marketplace")

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
CALL = re.compile(rf"^(?:({'|'.join(METHODS)}) )?(/\S*)")
VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
PLACEHOLDERS = {"YOUR_ID", "IMAGE_ID"}
# The address of a photo is read from an answer; this one has the same form.
READ_FROM_ANSWERS = {"PHOTO": f"/media/photos/ab/{'a' * 32}-640.jpg"}


def prose_of(text: str) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", text)


def spans_of(text: str) -> list[str]:
    """What stands between single backticks, on one line."""
    return [" ".join(span.split()) for span in SPAN.findall(prose_of(text))]


def shell_lines(text: str) -> Iterator[str]:
    """Logical lines of the fenced `sh` blocks: without comments, each with what its quotes hold."""
    for _, language, block in FENCE.findall(text):
        waiting = ""
        for line in re.sub(r"(^|\s)#.*", r"\1", block.replace("\\\n", " ")).splitlines() * (language == "sh"):
            waiting = f"{waiting} {line}".strip()
            if _is_closed(waiting):
                yield waiting
                waiting = ""


def _is_closed(line: str) -> bool:
    try:
        return bool(shlex.split(line) or True)
    except ValueError:  # a quote is open
        return False


def broken_links(text: str, page: Path) -> list[str]:
    """Relative links whose file or heading does not exist."""
    problems = []
    for target in LINK.findall(prose_of(text)):
        parts = urlsplit(target)
        if parts.scheme:
            continue
        file = page.parent / parts.path if parts.path else page
        if not file.exists():
            problems.append(f"{target}: there is no such file")
        elif parts.fragment and parts.fragment not in anchors(file.read_text()):
            problems.append(f"{target}: there is no such heading")
    return problems


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of headings."""
    last_number: dict[str, int] = {}
    for heading in re.findall(r"^#+ +(.+)$", prose_of(text), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        last_number[slug] = last_number.get(slug, -1) + 1
    numbered = [(slug, number) for slug, last in last_number.items() for number in range(last + 1)]
    return {f"{slug}-{number}" if number else slug for slug, number in numbered}


def wrong_commands(text: str) -> list[str]:
    """Targets of make, commands of manage.py and modules of `python -m` that do not exist, and options."""
    problems = []
    for line in (*shell_lines(text), *spans_of(text)):
        for target in re.findall(r"(?:^|\s)make(?: ([a-z]\w*))?((?: [A-Z]+=\S+)*)", line):
            problems += _wrong_target(*target)
        for command in re.findall(r"manage\.py ([^|;&)\n]+)", line):
            problems += _wrong_command(command)
        for module, options in re.findall(r"python3? -m ([\w.]+\w)(?![\w.])([^|;&)\n]*)", line):
            problems += _wrong_module(module, options)
    for span in spans_of(text):
        if span.split()[0] in own_commands():
            problems += _wrong_command(span)
        elif re.match(r"--[a-z]", span) and span.split()[0] not in every_option():
            problems.append(f"{span}: no command has this option")
    problems += [problem for row in _benchmark_rows(text) for problem in _wrong_module(*row)]
    return problems + _wrong_rows(text)


def _wrong_rows(text: str) -> list[str]:
    """Options in a row of a table that none of the commands in its first column has."""
    problems = []
    for first, rest in re.findall(r"^\|([^|]*)\|(.*)\|$", prose_of(text), re.MULTILINE):
        commands = [span.split() for span in SPAN.findall(first) if span.split()[0] in own_commands()]
        known = {option for words in commands for option in options_of(words)}
        options = [span.split()[0] for span in SPAN.findall(rest) if span.startswith("--")]
        problems += [f"{first.strip()}: there is no option {each}" for each in options if each not in known]
    return problems


def _benchmark_rows(text: str) -> Iterator[tuple[str, str]]:
    """Module and arguments of the rows of a table whose first column is headed `python -m benchmarks.`"""
    for table in re.findall(r"^\| `python -m benchmarks\.` .*\n((?:\|.*\n)+)", text, re.MULTILINE):
        for name, options in re.findall(r"^\| `(\w+)([^`]*)`", table, re.MULTILINE):
            yield f"benchmarks.{name}", options


def _wrong_target(target: str, variables: str) -> list[str]:
    makefile = (ROOT / "Makefile").read_text()
    problems = []
    if target and not re.search(rf"^{target}:", makefile, re.MULTILINE):
        problems.append(f"make {target}: there is no such target")
    for name in re.findall(r"([A-Z]+)=", variables):
        if f"$({name})" not in makefile and name not in settings_names():
            problems.append(f"make {target}: nothing reads {name}")
    return problems


def _wrong_command(line: str) -> list[str]:
    words = shlex.split(line)
    if words[0] == "COMMAND":  # stands for any
        return []
    if words[0] not in own_commands():
        return [f"manage.py {line}: there is no such command"]
    kinds = _kinds_of(parser_of(words[0]))
    if kinds and len(words) > 1 and words[1] not in kinds:
        return [f"manage.py {line}: {words[0]} takes {', '.join(kinds)}"]
    named = [word.partition("=")[0] for word in words if word.startswith("--")]
    return [f"manage.py {line}: there is no option {name}" for name in named if name not in options_of(words)]


def _wrong_module(module: str, options: str) -> list[str]:
    """`python -m` runs a module, or the `__main__` of a package."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        spec = None
    if spec and spec.submodule_search_locations and importlib.util.find_spec(f"{module}.__main__") is None:
        spec = None
    if spec is None:
        return [f"python -m {module}: there is no such module"]
    if not module.startswith("benchmarks."):
        return []
    main = Path(spec.origin)
    main = main.with_name("__main__.py") if spec.submodule_search_locations else main
    source = main.read_text() + (ROOT / "benchmarks" / "protocol.py").read_text()
    unknown = [option for option in re.findall(r"--[\w-]+", options) if f'"{option}"' not in source]
    return [f"python -m {module}: there is no option {option}" for option in unknown]


@cache
def own_commands() -> dict[str, str]:
    """Name and app of the project's own commands, and of Django's that the pages may name."""
    return {name: app for name, app in get_commands().items() if app in OWN_APPS or name == "migrate"}


@cache
def parser_of(command: str) -> argparse.ArgumentParser:
    return load_command_class(own_commands()[command], command).create_parser("manage.py", command)


def _kinds_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The subcommands of a command, empty where it has none."""
    choices = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(choices[0]) if choices else {}


def options_of(words: list[str]) -> set[str]:
    """The options of a command, or of its kind where the words name one."""
    parser = parser_of(words[0])
    kind = _kinds_of(parser).get(words[1]) if len(words) > 1 else None
    return set((kind or parser)._option_string_actions)


@cache
def every_option() -> set[str]:
    """The options of all commands and of their kinds."""
    lines = [[command, kind] for command in own_commands() for kind in ["", *_kinds_of(parser_of(command))]]
    return {option for words in lines for option in options_of(words)}


def missing_files(text: str) -> list[str]:
    """Files and packages that do not exist, and names in a row of a way that its file lacks."""
    named = [span for span in spans_of(text) if re.fullmatch(rf"(?:{'|'.join(FOLDERS)})/[\w/.]+", span)]
    problems = [f"{path}: there is no such file" for path in named if not (ROOT / path).exists()]
    for file, step in re.findall(r"^\| \d+ \| `([\w/.]+)` \| (.*) \|$", prose_of(text), re.MULTILINE):
        source = (ROOT / file).read_text() if (ROOT / file).exists() else ""
        words = set(re.findall(r"\w+", source))
        names = [name for name in SPAN.findall(step) if re.fullmatch(r"\w+(\.[a-z]\w*)?", name)]
        problems += [
            f"{file}: it does not name {name}"
            for name in names
            if source and not set(name.split(".")) <= words
        ]
    return problems


def wrong_addresses(text: str) -> list[str]:
    """Addresses that the project does not serve, or not by the method that is named."""
    problems = []
    for span in spans_of(text):
        if (call := CALL.match(span)) and "..." not in span and span != "/":
            problems += _wrong_address(call[1] or "", call[2])
    variables = assigned(text) | READ_FROM_ANSWERS
    for line in shell_lines(text):
        for command in re.findall(r"\bcurl ((?:\"(?:\\.|[^\"])*\"|'[^']*'|[^|;)])*)", line):
            problems += _wrong_curl(command, variables)
    return problems


def _wrong_curl(command: str, variables: dict[str, str]) -> list[str]:
    words = shlex.split(command)
    addresses = [expanded(word, variables) for word in words if re.match(r"https?:|\$(SITE|API)\b", word)]
    if not addresses:
        return [f"curl {command.strip()}: it has no address of the project"]
    sends = {"-d", "-F", "--data-urlencode"} & set(words) and "-G" not in words
    method = words[words.index("-X") + 1] if "-X" in words else "POST" if sends else "GET"
    return [problem for address in addresses for problem in _wrong_address(method, urlsplit(address).path)]


def _wrong_address(method: str, path: str) -> list[str]:
    """Some method has to be served where none is named."""
    path = re.sub(r"\{\w+\}|YOUR_ID", "an-id", path.partition("?")[0])
    matches = [_match(path), _match(f"{path}/")]
    served = {each for match in matches if match for each in _methods_of(match.func)}
    if not served:
        return [f"{path}: the project serves no such address"]
    return [] if not method or method in served else [f"{method} {path}: only {', '.join(sorted(served))}"]


def _match(path: str):
    try:
        return resolve(path)
    except Resolver404:
        return None


def _methods_of(view) -> set[str]:
    """The methods that a view takes; a plain function is taken to be read."""
    view_class = getattr(view, "view_class", None) or getattr(view, "cls", None)
    if view_class is None:
        return {"GET"}
    return {method for method in METHODS if hasattr(view_class, method.lower())}


def assigned(text: str) -> dict[str, str]:
    """Shell variables of the page and what they are set to, as far as that is plain text."""
    values: dict[str, str] = {}
    for line in shell_lines(text):
        for name, value in re.findall(r"(?:^|[\s;])([A-Za-z]+)=(\"[^\"]*\"|[^\s;]+)", line):
            values[name] = value.strip('"')
    return values


def expanded(word: str, variables: dict[str, str]) -> str:
    """The word with its variables filled in; of what only a run of the command tells, some text."""
    word = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", word)
    while match := re.search(r"\$(\w+)", word):
        value = variables.get(match[1], "some")
        word = word.replace(match[0], "some" if value.startswith("$(") else value)
        word = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", word)
    return word


@cache
def settings_names() -> frozenset[str]:
    return frozenset(name.upper() for name in Environment.model_fields)
