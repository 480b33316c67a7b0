"""`python -m tests.clients.sdks`: measure what SDKs make of refusals, and write it on its page."""

import asyncio

from tests.clients.sdks.page import part_of, write
from tests.clients.sdks.refusals import meet_everywhere
from tests.clients.sdks.sdk import SDKS

write(part_of(asyncio.run(meet_everywhere(SDKS))))
