"""Plans and messages for whole situations, word for word.

`pytest tests/golden --update-golden` writes the outputs again; read the difference before a commit.
"""

from __future__ import annotations

import pytest

from tests.golden import cases


@pytest.mark.parametrize("name", cases.names())
def test_golden_output(name: str, pytestconfig: pytest.Config) -> None:
    """The planned objects and messages of a case equal its golden output."""
    output = cases.HERE / f"output/{name}.yaml"
    planned = cases.rendered(name)
    if pytestconfig.getoption("--update-golden"):
        output.write_text(planned)
    assert planned == output.read_text(), f"{name}: if this is meant, run pytest tests/golden --update-golden"


def test_golden_no_orphans() -> None:
    """Every golden output belongs to an input."""
    assert sorted(cases.outputs()) == cases.names()
