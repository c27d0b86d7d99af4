"""What people read is also what they pipe into kubectl."""

from __future__ import annotations

import pytest
import yaml
from freehold.cli import output


@pytest.mark.parametrize("digest", ["12e45678", "0e1", "007", "-3E+7"])
def test_a_digest_that_looks_like_a_number_stays_a_text_to_whoever_reads_it(digest: str) -> None:
    text = output.document({"digest": digest}, "yaml")
    assert text == f"digest: '{digest}'", "kubectl reads YAML 1.2, in which it would be a number"
    assert yaml.safe_load(text) == {"digest": digest}
