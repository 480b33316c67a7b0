"""How many tokens OpenAI's APIs add around the parts of a prompt: published, or measured.

Published: https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken (sections 6
and 7). Measured by users, since unpublished:
[pairs]   https://community.openai.com/t/538914 (what a tool call and its result add)
[wrapper] https://community.openai.com/t/1304519 (parallel calling adds a tool of its own)
"""

from typing import Final

REPLY_TOKENS: Final = 3
"""Every reply is primed with its start, role and separator (cookbook, section 6)."""

MESSAGE_TOKENS: Final = 4
"""Three around each message, and one for its role (cookbook, section 6)."""

NAME_TOKENS: Final = 1
"""For a name beside the role (cookbook, section 6)."""

TOOLS_TOKENS: Final = 12
"""Around all tools (cookbook, section 7, func_end)."""

TOOL_TOKENS: Final = 10
"""Around each tool, for the models where it is most (cookbook, section 7, func_init)."""

ENUM_ITEM_TOKENS: Final = 3
"""Around each value of an enum, which JSON spells with fewer (cookbook, section 7)."""

PARALLEL_TOOL_TOKENS: Final = 200
"""The tool through which several tools are called at once: its text is about 190. [wrapper]"""

CALL_TOKENS: Final = 16
"""Around each tool call and its result; 12 were measured. [pairs]"""

PARALLEL_CALLS_TOKENS: Final = 30
"""Around the calls of one message when there are several; 24 were measured. [pairs]"""

SCHEMA_TOKENS: Final = 32
"""Around the schema of structured output: a heading, its name. Unpublished."""

CONTENT_PART_TOKENS: Final = 1
"""A separator before each further part of a message's content. Unpublished."""
