"""Runtime of the sample plugin: writes notes to stderr, as bytes made here, so that nothing is imported."""

import posix


def note(prefix, place, *values):
    """Writes one line: where the program is, and the types of the values there."""
    types = " ".join(type(value).__name__ for value in values)
    posix.write(2, (prefix + place + " " + types).encode("utf-8", "backslashreplace") + b"\n")
