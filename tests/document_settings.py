"""The check that every setting which a page names is read somewhere."""

import re

from tests.document_checks import (
    PLACEHOLDERS,
    ROOT,
    VARIABLE,
    assigned,
    settings_names,
    shell_lines,
    spans_of,
)


def unknown_settings(text: str) -> list[str]:
    """Variables of the environment that nothing reads, and that no file named beside them defines."""
    compose = (ROOT / "docker-compose.yml").read_text()
    named = [name for span in spans_of(text) for name in VARIABLE.findall(span) if f"..._{name}" not in span]
    for line in shell_lines(text):
        if match := re.match(r"(?:export )?((?:[A-Z_]+=\S+ ?)+)(?:make|docker|$)", line):
            named += re.findall(r"([A-Z_]+)=", match[1])
    local = assigned(text)
    return [
        f"{name}: nothing reads this variable"
        for name in named
        if name not in settings_names() | PLACEHOLDERS | defined_beside(text)
        and not name.startswith("PIP_")
        and f"${{{name}" not in compose
        and f"${name}" not in " ".join([*local.values(), *shell_lines(text)])
    ]


def defined_beside(text: str) -> set[str]:
    """Upper-case names that a paragraph has and a Python file that it names, too."""
    names: set[str] = set()
    for paragraph in text.split("\n\n"):
        files = [ROOT / span for span in spans_of(paragraph) if span.endswith(".py")]
        for source in (file.read_text() for file in files if file.exists()):
            names |= set(VARIABLE.findall(source)) & set(VARIABLE.findall(paragraph))
    return names
