// openai for JavaScript, as programs make its client.
import OpenAI, { toFile } from "openai";
import { all, answerAll } from "./asked.mjs";

const messages = [{ role: "user", content: "What is the capital of Åland?" }];
const model = "gpt-4o";
const withClient = (ask) => (baseURL, apiKey) => ask(new OpenAI({ baseURL, apiKey }));

// A second of silence: a head of 44 bytes, then samples of 16 bits, 8,000 a second.
const sound = () => {
  const bytes = Buffer.alloc(44 + 16_000);
  bytes.write("RIFF", 0);
  bytes.writeUInt32LE(36 + 16_000, 4);
  bytes.write("WAVEfmt ", 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(8_000, 24);
  bytes.writeUInt32LE(16_000, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write("data", 36);
  bytes.writeUInt32LE(16_000, 40);
  return toFile(bytes, "silence.wav");
};

await answerAll({
  chat: withClient((client) =>
    client.chat.completions.create({ model, messages, max_tokens: 40 }),
  ),
  "chat, streamed": withClient(async (client) =>
    all(
      await client.chat.completions.create({
        model,
        messages,
        max_tokens: 40,
        stream: true,
        stream_options: { include_usage: true },
      }),
    ),
  ),
  responses: withClient((client) =>
    client.responses.create({ model, input: "Hello", max_output_tokens: 40 }),
  ),
  "responses, streamed": withClient(async (client) =>
    all(
      await client.responses.create({ model, input: "Hello", max_output_tokens: 40, stream: true }),
    ),
  ),
  completions: withClient((client) =>
    client.completions.create({
      model: "gpt-3.5-turbo-instruct",
      prompt: "Once upon a time",
      max_tokens: 20,
    }),
  ),
  embeddings: withClient((client) =>
    client.embeddings.create({ model: "text-embedding-3-small", input: ["one", "two"] }),
  ),
  images: withClient((client) =>
    client.images.generate({
      model: "gpt-image-1",
      prompt: "A cat",
      size: "1024x1024",
      quality: "low",
    }),
  ),
  speech: withClient(async (client) => {
    const answer = await client.audio.speech.create({
      model: "tts-1",
      voice: "alloy",
      input: "Hello there",
    });
    return Buffer.from(await answer.arrayBuffer()).toString("base64");
  }),
  transcriptions: withClient(async (client) =>
    client.audio.transcriptions.create({ model: "gpt-4o-transcribe", file: await sound() }),
  ),
  translations: withClient(async (client) =>
    client.audio.translations.create({ model: "whisper-1", file: await sound() }),
  ),
  moderations: withClient((client) =>
    client.moderations.create({ model: "omni-moderation-latest", input: "Hello" }),
  ),
  files: withClient(async (client) => {
    const file = await toFile(Buffer.from('{"a": 1}\n'), "a.jsonl");
    const kept = await client.files.create({ file, purpose: "batch" });
    const found = await client.files.retrieve(kept.id);
    const text = await (await client.files.content(kept.id)).text();
    return [kept, found, text, await client.files.delete(kept.id)];
  }),
  models: withClient((client) => all(client.models.list())),
});
