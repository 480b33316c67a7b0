"""What the page says of SDKs and refusals is what they do."""

import pytest

from proxy.gateway.respond import REFUSALS
from tests.clients.sdks.page import measured_part, part_of
from tests.clients.sdks.refusals import cases, meet_everywhere
from tests.clients.sdks.sdk import SDKS, missing

pytestmark = pytest.mark.clients

FRUITLESS = "Vercel AI SDK"
"""It does not know `x-should-retry`, and tries again whatever may pass by itself elsewhere."""


async def test_the_page_has_what_was_measured() -> None:
    for sdk in SDKS:
        if (why := missing(sdk)) is not None:
            pytest.skip(f"{sdk.name}: {why}")
    measured = await meet_everywhere(SDKS)

    for name, met in measured.items():
        for case in cases():
            assert met[case].kind, (name, case)
            if not REFUSALS[case.reason].retries and not name.startswith(FRUITLESS):
                assert met[case].attempts == 1, (name, case)
    # `python -m tests.clients.sdks` writes it anew.
    assert part_of(measured) == measured_part()
