"""Audio: texts read out, and sound written down.

speech         POST /v1/audio/speech
transcription  POST /v1/audio/transcriptions and /v1/audio/translations
sound          the bytes of sound, of any length
"""

from simulator.apis.audio.speech import SPEECH
from simulator.apis.audio.transcription import TRANSCRIPTIONS, TRANSLATIONS

__all__ = ["SPEECH", "TRANSCRIPTIONS", "TRANSLATIONS"]
