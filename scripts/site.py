"""Build the documentation in build/site from docs/, the files of the project, and the pages of the notebooks.

    python scripts/site.py

The links of a page name files of the repository, so that they also work where the repository is browsed. In the site,
they name the page that shows the file. A link to a file that the site does not show is an error.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import griffe
import yaml

ROOT = Path(__file__).parents[1]
PAGES, SITE, NOTEBOOKS = (ROOT / "build" / name for name in ("docs", "site", "docs-notebooks"))
NAME, SUMMARY = "langchain_pollinations", "Pollinations.AI for LangChain"
PROJECT_PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "CODE_OF_CONDUCT.md": "code_of_conduct.md",
    "LICENSE": "license.txt",
}
"""Files of the project, and the pages that show them."""
TEXTS = ("llms.txt", "llms-full.txt")
"""Files for coding assistants, which this script writes."""

LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)(?=[#)])")
FENCE = re.compile(r"^ *(```|~~~)")


def collect() -> Mapping[Path, str]:
    """Return the repository's files that the site shows, each with its path in the site."""
    shown = {ROOT / source: page for source, page in PROJECT_PAGES.items()}
    shown |= {ROOT / "docs" / name: name for name in TEXTS}
    for path in sorted((ROOT / "docs").rglob("*")):
        if path.is_file() and "langchain" not in path.parts[len(ROOT.parts) :]:
            shown[path] = path.relative_to(ROOT / "docs").as_posix()
    shown |= {path: f"notebooks/{path.stem}.html" for path in (ROOT / "notebooks").rglob("*.ipynb")}
    shown |= {path: f"examples/{path.stem}.md" for path in (ROOT / "examples").glob("*.py")}
    return shown | {path: f"examples/{path.parent.name}.md" for path in (ROOT / "examples").glob("*/README.md")}


def lines_with_code(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the lines of a page, and whether each is code."""
    inside = False
    for line in text.splitlines():
        fence = bool(FENCE.match(line))
        yield line, inside or fence
        inside = inside != fence


def with_links(text: str, source: Path, shown: Mapping[Path, str]) -> str:
    """Return the text of a page with the links of the site.

    Raises:
        SystemExit: If a link names a file that the site does not show.
    """

    def link(match: re.Match[str]) -> str:
        target = Path(os.path.normpath(source.parent / match[1]))
        if target not in shown:
            sys.exit(f"{source.relative_to(ROOT)}: the site does not show {match[1]}")
        return os.path.relpath(shown[target], PurePosixPath(shown[source]).parent).replace(os.sep, "/")

    plain = re.sub(r"^## \[(.+?)\]", r"## \1", text, flags=re.M)  # the versions of the changelog
    return "\n".join(line if code else LINK.sub(link, line) for line, code in lines_with_code(plain)) + "\n"


def example_page(source: Path) -> str:
    code = source.read_text("utf-8")
    about = (ast.get_docstring(ast.parse(code)) or "").partition("\n\n")[0]
    return f"# {source.name}\n\n{about}\n\n```python\n{code.rstrip()}\n```\n"


def load_package() -> griffe.Module:
    """Return the package as griffe reads it, without an import."""
    extension = griffe.load_extensions(str(ROOT / "scripts" / "griffe_fields.py"))
    return griffe.load(NAME, search_paths=[ROOT], docstring_parser="google", extensions=extension)  # type: ignore[return-value]


SHARED = (
    "service.ServiceConfig",
    "rate_limits.ModelLimitFields",
    "rate_limits.RateLimiterField",
    "host_choice.LegacyConfig",
)
"""Classes in `_config` with the options of all classes."""


def with_filters(text: str, package: griffe.Module) -> str:
    """Return a page of the API reference on which only `ChatPollinations` has the options of all classes."""
    names = {
        name: None for each in SHARED for name in package[f"_config.{each}"].attributes if not name.startswith("_")
    }
    filters = "".join(
        f'\n        - "!^{pattern}"' for pattern in ("_", "(lc_|is_lc_|get_lc_|model_copy$)", f"({'|'.join(names)})$")
    )
    options = f"\n    options:\n      filters:{filters}"
    return re.sub(r"^::: \S+\.Pollinations\w+$", rf"\g<0>{options}", text, flags=re.M)


def write_pages(shown: Mapping[Path, str], package: griffe.Module) -> None:
    """Write the pages that Zensical reads."""
    shutil.rmtree(PAGES, ignore_errors=True)
    for source, page in shown.items():
        target = PAGES / page
        if page in TEXTS or page == "index.md" and source.name == "README.md":
            continue  # `write_texts` writes the former, and docs/index.md is the first page of the site
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix == ".ipynb":
            made = NOTEBOOKS / target.name
            if not made.exists():
                sys.exit(f"{made.relative_to(ROOT)} does not exist: run `make docs`, which executes the notebooks")
            shutil.copy(made, target)
        elif source.suffix == ".py":
            target.write_text(example_page(source), "utf-8")
        elif source.suffix == ".md":
            text = with_links(source.read_text("utf-8"), source, shown)
            if source.name == "README.md":  # of an example, whose programs follow
                text += "".join(f"\n#{example_page(path)}" for path in sorted(source.parent.glob("*.py")))
            target.write_text(with_filters(text, package) if page.startswith("api/") else text, "utf-8")
        else:
            shutil.copy(source, target)


# --- For coding assistants --------------------------------------------------------------------------------------------


def navigation() -> list[tuple[str, str, str]]:
    """Return section, title and path of each page, in the order of the navigation."""
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    found = []
    for entry in config["nav"]:
        for title, value in entry.items():
            inner = value if isinstance(value, list) else [{title: value}]
            section = title if isinstance(value, list) else ""
            found += [(section, name, path) for page in inner for name, path in page.items()]
    return found


def check_navigation(pages: list[tuple[str, str, str]]) -> None:
    """Check that the navigation lists each page.

    Raises:
        SystemExit: If a page is missing in the navigation, or the navigation names a page that does not exist.
    """
    listed = {path for _, _, path in pages}
    written = {path.relative_to(PAGES).as_posix() for path in PAGES.rglob("*.md")}
    if wrong := sorted(listed ^ written):
        sys.exit(f"mkdocs.yml: these pages are in nav or in docs/, but not in both: {', '.join(wrong)}")


def first_sentence(text: str) -> str:
    """Return the first sentence of a page after its title."""
    for paragraph in re.split(r"\n\s*\n", text):
        if re.match(r"(?!```)[A-Z`*\[]", paragraph):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(paragraph.split()))
            return re.split(r"(?<=[.:])\s", plain)[0]
    return ""


def signature(found: Any) -> str:
    arguments = ", ".join(
        ("*" if each.kind is griffe.ParameterKind.var_positional else "")
        + ("**" if each.kind is griffe.ParameterKind.var_keyword else "")
        + each.name
        + (f": {each.annotation}" if each.annotation else "")
        + (f" = {each.default}" if each.default and "var" not in each.kind.name else "")
        for each in found.parameters
        if each.name not in ("self", "cls")
    )
    return f"`{found.name}({arguments}) -> {found.returns}`"


def described(found: Any, heading: str, seen: set[str]) -> Iterator[str]:
    """Yield the Markdown of an object of the API: its docstring, its fields and its methods.

    Inherited fields and methods are described once.
    """
    if found.is_alias:
        found = found.final_target
    if found.path in seen:
        return
    seen.add(found.path)
    text = found.docstring.value if found.docstring else ""
    if found.is_attribute:
        default = f" = {found.value}" if found.value and len(str(found.value)) < 60 else ""
        yield f"- `{found.name}: {found.annotation}{default}`" + (f": {' '.join(text.split())}" if text else "")
        return
    yield f"\n{heading}\n"
    if found.is_function:
        yield signature(found)
    if text:
        yield f"\n{text}\n"
    if found.is_class:
        members = [each for name, each in found.all_members.items() if not name.startswith("_")]
        members = [each for each in members if not each.is_alias or each.target_path.startswith(NAME)]
        attributes = [each for each in members if each.is_attribute and each.name != "model_config"]
        for member in [*attributes, *(each for each in members if each.is_function)]:
            yield from described(member, f"### {member.name}", seen)


def with_api(text: str, package: griffe.Module, seen: set[str]) -> str:
    """Return the text of a page with the API in place of the directives of mkdocstrings."""

    def describe(match: re.Match[str]) -> str:
        return "\n".join(described(package[match[1].removeprefix(f"{NAME}.")], f"## {match[1]}", seen))

    return re.sub(r"^::: (\S+)(?:\n {4}.*)*", describe, text, flags=re.M)


def write_texts(pages: list[tuple[str, str, str]], package: griffe.Module) -> Mapping[str, str]:
    """Write llms.txt, which lists the pages as Markdown, and llms-full.txt, which contains them.

    Return the Markdown of the pages. That of the API reference is in place of the directives of mkdocstrings.
    """
    seen: set[str] = set()
    texts = {path: with_api((PAGES / path).read_text("utf-8"), package, seen) for _, _, path in pages}
    index, current = [f"# {SUMMARY}\n", f"> {package.docstring.value.splitlines()[0]}\n"], ""
    for section, title, path in pages:
        if section and section != current:
            index.append(f"\n## {section}\n")
        current = section
        index.append(f"- [{title}]({path}): {first_sentence(texts[path])}".rstrip(": "))
    index.append("\n## Optional\n\n- [All pages in one file](llms-full.txt)\n")
    (PAGES / TEXTS[0]).write_text("\n".join(index), "utf-8")
    whole = (f"<!-- {path} -->\n\n{text.strip()}\n" for path, text in texts.items())
    (PAGES / TEXTS[1]).write_text("\n\n".join(whole), "utf-8")
    return texts


def main() -> int:
    package = load_package()
    write_pages(collect(), package)
    pages = navigation()
    check_navigation(pages)
    texts = write_texts(pages, package)
    shutil.rmtree(SITE, ignore_errors=True)
    zensical = Path(sys.executable).with_name("zensical")
    done = subprocess.run([zensical, "build", "--strict", "--clean"], cwd=ROOT, capture_output=True, text=True)
    output = (done.stdout + done.stderr).strip()
    if done.returncode:
        print(output)
        return 1
    print(output.rpartition("\n")[2])
    for path, text in texts.items():
        (SITE / path).write_text(text, "utf-8")
    # The pages of the notebooks name no icon, so browsers ask for this file.
    shutil.copy(SITE / "assets" / "images" / "favicon.png", SITE / "favicon.ico")
    return 0


if __name__ == "__main__":
    sys.exit(main())
