"""What keeps a benchmark from measuring, in a sentence the user can act on."""

from __future__ import annotations


class BenchmarkError(Exception):
    """Nothing was measured; the text is shown as it is, without a traceback."""
