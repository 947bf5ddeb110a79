"""The sound of a notification, for pages that play one by its URL."""

from __future__ import annotations

import io
import math
import struct
import wave
from functools import cache

_RATE = 22_050
_SECONDS = 0.5
# Two bells, a fifth apart (Hz).
_TONES = (880.0, 1320.0)


@cache
def tone() -> bytes:
    """A short bell, as a WAV file of 22 kB."""
    samples = []
    for n in range(int(_RATE * _SECONDS)):
        at = n / _RATE
        # It begins within 5 ms, because a jump would click, and fades away.
        loudness = min(1.0, at / 0.005) * math.exp(-6 * at) * (1 - at / _SECONDS)
        samples.append(
            int(12_000 * loudness * sum(math.sin(2 * math.pi * hertz * at) for hertz in _TONES) / len(_TONES))
        )
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(_RATE)
        written.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return file.getvalue()
