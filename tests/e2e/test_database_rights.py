"""What the service's role may do in a pod of the service, beside reading and writing rows."""

from __future__ import annotations

import re

from tests.e2e.support.cluster import Space
from tests.e2e.support.database_sessions import query
from tests.e2e.support.microservices import users


def test_database_service_may(yard: Space) -> None:
    """The service's role may do what services do beside reading and writing rows."""
    yard.apply(users())
    yard.until_ready("users")
    sequence = "(select max(seqrelid)::regclass from pg_sequence)"
    said = query(
        yard,
        "select count(*) from users",
        "create temporary table batch (id int)",
        f"select setval({sequence}, greatest(1000000, nextval({sequence})))",
        "listen changes",
        "select pg_try_advisory_lock(1)",
        "declare lines cursor with hold for select 1",
    )
    assert len(said) == 6
    assert [line for line in said if re.search("denied|error", line, re.IGNORECASE)] == []
