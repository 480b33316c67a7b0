"""All sockets of a process. They outlive a reload: the next frame is under the new rules."""

from typing import Protocol

from proxy.gateway.websocket.door import FrameDoor
from proxy.gateway.websocket.session import Lines, Session


class FrameFront(Protocol):
    """Where frames are let in."""

    async def handle_frame(self, door: FrameDoor, lines: Lines, *, is_stopping: bool) -> None:
        """Answer one frame, whatever it is."""
        ...


class Sockets:
    """The sessions that are open, and the front that lets their frames in."""

    def __init__(self) -> None:
        self._sessions: dict[Session, None] = {}
        self._front: FrameFront
        self._is_stopping = False

    def __len__(self) -> int:
        return len(self._sessions)

    def follow(self, front: FrameFront) -> None:
        """Let every frame from now on in by this front."""
        self._front = front

    async def serve(self, session: Session) -> None:
        """Serve a socket until it ends."""
        self._sessions[session] = None
        try:
            await session.run()
        finally:
            del self._sessions[session]

    async def run_frame(self, door: FrameDoor, lines: Lines) -> None:
        """Make the call that a frame is."""
        await self._front.handle_frame(door, lines, is_stopping=self._is_stopping)

    def stop(self) -> None:
        """Begin no new call, and close each socket when nothing runs on it any more."""
        self._is_stopping = True
        for session in list(self._sessions):
            session.end()
