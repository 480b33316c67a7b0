"""Streams on their way to the caller, and holds that grow while they flow.

growth   when a hold is too small for what has come, and when it is the end; pure
lengths  how long the answers of a kind have been; in memory, in this process
hold     the hold of a stream, and how more is asked for it
fitting  holds as long as answers are likely to be, in place of the longest there may be
relay    the bytes on their way, read along, and the end of a stream that cannot go on
"""
