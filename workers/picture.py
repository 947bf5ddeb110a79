"""`python -m workers.picture FROM TO`: draws a small copy of a picture, in a process of its own.

A decoder of pictures is what an attacker aims at. So it runs where it can use only so much memory and time, and where
its crash is nobody else's. The copy is drawn anew: nothing of the original's metadata is in it.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageOps

# Pixels on each side.
SIDE = 400
# Pixels of the original: more than the cameras of phones make (50 million). At most 4 bytes each when unpacked.
MAX_PIXELS = 60_000_000
FORMATS = ("JPEG", "PNG", "GIF", "WEBP")

# Of the process: bytes of address space, and seconds.
_MEMORY = 1024**3
_SECONDS = 20

_NOT_A_PICTURE = 3


class NoPicture(Exception):
    """Of this file no preview can be made."""


def draw(source: Path, target: Path) -> None:
    """Write the preview of `source`, a WebP, to `target`. Raises NoPicture."""
    command = [sys.executable, "-m", "workers.picture", str(source), str(target)]
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            command,
            timeout=2 * _SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=Path(__file__).parents[1],
            # No credentials.
            env={},
        )
    except subprocess.TimeoutExpired as error:
        raise NoPicture("too slow") from error
    if done.returncode:
        raise NoPicture("not a picture" if done.returncode == _NOT_A_PICTURE else f"exit status {done.returncode}")


def main(source: str, target: str) -> int:
    """Draw, with bounds on this process. Returns the exit status."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    # We check it ourselves: Pillow only warns up to twice the number.
    Image.MAX_IMAGE_PIXELS = None
    try:
        with Image.open(source, formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                return _NOT_A_PICTURE
            # JPEG is decoded at a fraction of its size.
            picture.draft("RGB", (SIDE, SIDE))
            # Palettes have no colours between their own.
            small = picture.convert("RGBA") if picture.mode in ("1", "P") else picture
            small.thumbnail((SIDE, SIDE))
            turned = ImageOps.exif_transpose(small)
            turned = turned.convert("RGBA" if turned.has_transparency_data else "RGB")
            # A picture without `exif`, `icc_profile` and `xmp` of the original.
            clean = Image.new(turned.mode, turned.size)
            clean.paste(turned)
            clean.save(target, "WEBP", quality=80)
    except (OSError, ValueError, SyntaxError, MemoryError, Image.DecompressionBombError):
        return _NOT_A_PICTURE
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
