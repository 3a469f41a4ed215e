"""Check that the build is reproducible: build the package twice and compare the files.

python scripts/check_build.py dist

The second build runs in another folder, from the unpacked source distribution of the first one, with other times and
permissions of the files. The script replaces the builds in the folder by those of the first build, and prints their
hashes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EPOCH = 1_600_000_000  # seconds: the time of the files of the second build


def build(source: Path, target: Path) -> dict[str, str]:
    """Build the source distribution and the wheel, each directly from `source`. Return their names and hashes."""
    command = [sys.executable, "-m", "build", "--sdist", "--wheel", "--outdir", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{done.stdout}{done.stderr}The build in {source} failed")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(target.iterdir())}


def unpacked(archive: Path, target: Path) -> Path:
    """Unpack a source distribution. Each file gets the same time, and only its owner may read it."""
    with tarfile.open(archive) as files:
        files.extractall(target, filter="data")
    (folder,) = target.iterdir()
    for path in sorted(folder.rglob("*"), reverse=True):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.utime(path, (EPOCH, EPOCH))
    return folder


def main(target: str) -> None:
    os.environ.pop("SOURCE_DATE_EPOCH", None)  # the build must not need it
    with tempfile.TemporaryDirectory() as work:
        first, second = Path(work, "first"), Path(work, "second")
        hashes = build(ROOT, first)
        again = build(unpacked(next(first.glob("*.tar.gz")), Path(work, "elsewhere", "unpacked")), second)
        if hashes != again:
            raise SystemExit(f"The builds differ:\n{hashes}\n{again}")
        for old in (*Path(target).glob("*.whl"), *Path(target).glob("*.tar.gz")):
            old.unlink()  # and no other file: the folder may hold some
        shutil.copytree(first, target, dirs_exist_ok=True)
    print("\n".join(f"{digest}  {name}" for name, digest in hashes.items()))


if __name__ == "__main__":
    main(*sys.argv[1:])
