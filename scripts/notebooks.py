"""Execute notebooks and write each as one self-contained page.

    python scripts/notebooks.py [--to build] notebooks/illustrating_agent.ipynb ...

They ask the service where POLLINATIONS_API_KEY is set, else the emulator; the notebooks say so themselves.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from traitlets.config import Config

# What the template would fetch from elsewhere; the pages hold neither formulas nor widgets.
SELF_CONTAINED = Config(
    HTMLExporter={
        "mathjax_url": "",
        "require_js_url": "",
        "jquery_url": "",
        "mermaid_js_url": "",
        "embed_images": True,
    }
)

# The template breaks long lines of text outputs inside words.
STYLE = "<style>pre { word-break: normal !important; }</style>"


def write_page(source: Path, folder: Path, *, run: bool = True) -> Path:
    """The page that a notebook makes; the notebook itself stays without outputs."""
    notebook = nbformat.read(source, as_version=4)
    where = {"metadata": {"path": str(source.parent)}}
    # Kernels warn at each start that their ports on this machine are not encrypted.
    quiet = ["--log-level=ERROR"]
    if run:
        NotebookClient(notebook, timeout=1200, resources=where, extra_arguments=quiet).execute()
    page, _ = HTMLExporter(config=SELF_CONTAINED).from_notebook_node(
        notebook, resources={"metadata": {"name": notebook.metadata.get("title", source.stem)}}
    )
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{source.stem}.html"
    target.write_text(page.replace("</head>", f"{STYLE}</head>", 1), encoding="utf-8")
    return target


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("notebooks", nargs="+", type=Path)
    options.add_argument("--to", type=Path, default=Path("build"), help="folder for the pages")
    options.add_argument("--no-run", action="store_true", help="write the pages without results")
    chosen = options.parse_args()
    live = bool(os.environ.get("POLLINATIONS_API_KEY"))
    print("Asking gen.pollinations.ai." if live else "POLLINATIONS_API_KEY is not set: requests go to the emulator.")
    for source in chosen.notebooks:
        try:
            print(write_page(source, chosen.to, run=not chosen.no_run).resolve())
        except CellExecutionError as error:
            print(f"{source}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
