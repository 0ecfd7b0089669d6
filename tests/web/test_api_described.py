"""Whatever is sent to the API, its answer is one that its own description has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS as REGISTERED
from schemathesis.checks import load_all_checks

from enrich.web.who import Doors
from tests.web.serving import served, site

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
)
"""What must hold. That all which the schema allows is taken need not: it cannot say whether an IRI is one."""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder: Path = tmp_path_factory.mktemp("described")
    with site(folder) as found:
        token = Doors(found.settings).tokens.add("Ana Ruiz", "curator")
        with served(found) as where:
            schema = schemathesis.openapi.from_url(f"{where}/api/v1/openapi.json")
            schema.config.update(headers={"Authorization": f"Bearer {token}"})
            yield schema


def test_no_answer_fails_and_each_is_described(described: Any) -> None:
    """Given requests made from the description, right and wrong ones, then each is answered with a status, a type and a
    shape that are described, and none with a fault of ours."""
    operations = [found.ok() for found in described.get_all_operations()]
    assert len(operations) > 10
    load_all_checks()
    checks = REGISTERED.get_by_names(list(CHECKS))
    for operation in operations:

        @settings(
            max_examples=20,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def check(case: schemathesis.Case) -> None:
            case.call_and_validate(checks=checks)

        check()
