"""Pictures from words."""

from __future__ import annotations

from hashlib import sha256
from io import BytesIO

from PIL import Image


def draw(prompt: str, width: int, height: int, seed: int, model: str, transparent: bool = False) -> tuple[bytes, str]:
    c = sha256(f"{prompt} {seed} {model}".encode()).digest()
    im = Image.new("RGB", (width, height), tuple(c[:3]))
    out = BytesIO()
    im.save(out, "PNG" if transparent else "JPEG", quality=88)
    return out.getvalue(), "image/png" if transparent else "image/jpeg"
