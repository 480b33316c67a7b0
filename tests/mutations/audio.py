"""Edits of what takes files in, and of what is read of sound."""

from typing import Final

from tests.mutations.mutation import Mutation

MULTIPART: Final = "tests/dialects/wire/test_multipart.py"
INTAKE: Final = "tests/gateway/hearing/test_intake.py"
UPLOADS: Final = "tests/e2e/audio/test_uploads.py"

OF_AUDIO: Final = (
    Mutation(
        "look for the boundary of a form on lines of its own alone",
        "proxy/dialects/wire/multipart.py",
        '            raise refused("has its boundary in the middle of a line")\n',
        "            return False\n",
        (f"{MULTIPART}::test_what_is_doubtful_is_refused",),
    ),
    Mutation(
        "let anything come behind a large file",
        "proxy/gateway/hearing/intake.py",
        "if any(part.name not in self._late for part in self._reader.parts[known:]):",
        "if any(part.name == MODEL for part in self._reader.parts[known:]):",
        (
            f"{INTAKE}::test_what_comes_too_late_ends_the_upload",
            f"{UPLOADS}::test_a_field_behind_the_file_that_may_cost_is_too_late",
        ),
    ),
    Mutation(
        "keep a file until it is all there",
        "proxy/gateway/hearing/intake.py",
        "    return last.is_file and last.ends_at is None and needs <= known\n",
        "    return last.is_file and last.ends_at is not None and needs <= known\n",
        (
            f"{INTAKE}::test_no_more_is_kept_than_it_takes",
            f"{UPLOADS}::test_twenty_megabytes_are_never_in_memory",
        ),
    ),
    Mutation(
        "let a form leave before it has said its model",
        "proxy/gateway/hearing/intake.py",
        "    return last.is_file and last.ends_at is None and needs <= known\n",
        "    return last.is_file and last.ends_at is None\n",
        (f"{INTAKE}::test_what_says_its_model_late_is_kept_until_then",),
    ),
    Mutation(
        "read from a caller faster than the upstream takes",
        "proxy/gateway/upstream/uploading.py",
        "                await connection.writable()\n",
        "                await asyncio.sleep(0)\n",
        (
            "tests/gateway/upstream/test_uploading.py"
            "::test_who_sends_faster_than_the_upstream_takes_waits",
        ),
    ),
    Mutation(
        "use a connection again whose request was left half sent",
        "proxy/gateway/upstream/connection.py",
        "        self._is_spent = True\n",
        "        self._is_spent = False\n",
        (
            "tests/gateway/upstream/test_uploading.py"
            "::test_an_answer_that_comes_early_ends_the_upload_and_its_connection",
        ),
    ),
    Mutation(
        "believe the head of a WAVE file, whatever its size",
        "proxy/dialects/transcription/length.py",
        "            is_told = 0 <= left_bytes - size <= slack_bytes\n",
        "            is_told = True\n",
        (
            "tests/dialects/transcription/test_length.py"
            "::test_a_head_that_says_less_than_there_is_is_not_believed",
        ),
    ),
    Mutation(
        "bill the seconds of sound that were begun as fractions",
        "proxy/dialects/transcription/usage.py",
        "    return ceil(value)\n",
        "    return int(value)\n",
        (
            "tests/dialects/transcription/test_transcription.py"
            "::test_usage_is_tokens_or_begun_seconds",
        ),
    ),
    Mutation(
        "take sound that broke off for whole",
        "proxy/gateway/stream/relay.py",
        "is_half = not read.complete or (broken and not self._stream.tells_its_end)",
        "is_half = not read.complete",
        (
            "tests/e2e/audio/test_speech.py"
            "::test_sound_that_breaks_off_does_not_look_whole_and_is_not_free[tts-1]",
        ),
    ),
    Mutation(
        "charge sound that reports nothing for its prompt alone",
        "proxy/gateway/charge.py",
        "        tokens += answer.delivered().sound_tokens\n",
        "",
        (
            "tests/e2e/audio/test_speech.py"
            "::test_sound_without_usage_is_charged_by_how_long_it_plays[mp3]",
        ),
    ),
)
