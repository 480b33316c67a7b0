"""Responses over a WebSocket: each `response.create` frame is a call like any other.

    caller ─▶ session ─▶ front ─▶ pipeline ─▶ line ─▶ upstream
      ◀────── door ◀───────────── meter ◀──── answer ◀──┘

frames      what callers send, and the error frames they get; pure
events      what upstreams send, to and from the events of a stream; pure
door        a call whose request and answer are frames
session     one caller's socket: its frames in their order, and its end
forwarders  what sends a frame on: as over HTTP, but over the sockets of its caller
line        one upstream's socket: a response at a time, and how one is cut off
answer      the answer to one frame
sockets     all sessions of a process
client      sockets to upstreams
server      sockets of callers

An upstream keeps what was said on one of its sockets for that socket alone, so that each of a
caller's has one of its own there. docs/decisions/websockets.md.
"""
