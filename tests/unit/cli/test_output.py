"""Documents: output that kubectl reads."""

from __future__ import annotations

import pytest
import yaml
from freehold.cli import output


@pytest.mark.parametrize("digest", ["12e45678", "0e1", "007", "-3E+7"])
def test_document_quotes_digests_like_numbers(digest: str) -> None:
    """kubectl reads YAML 1.2, in which an unquoted digest such as 12e45678 is a number."""
    text = output.document({"digest": digest}, "yaml")
    assert text == f"digest: '{digest}'", "kubectl reads YAML 1.2, in which the digest is a number"
    assert yaml.safe_load(text) == {"digest": digest}
