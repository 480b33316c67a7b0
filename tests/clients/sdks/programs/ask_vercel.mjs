// The AI SDK of Vercel with its providers for OpenAI and Anthropic.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import {
  embedMany,
  experimental_generateSpeech as generateSpeech,
  experimental_transcribe as transcribe,
  generateImage,
  generateText,
  streamText,
} from "ai";
import { all, answerAll } from "./asked.mjs";

const prompt = "What is the capital of Åland?";
const maxOutputTokens = 40;

const said = ({ text, usage, finishReason }) => ({ text, usage, finishReason });

const generated = (modelOf) => async (baseURL, apiKey) =>
  said(await generateText({ model: modelOf({ baseURL, apiKey }), prompt, maxOutputTokens }));

const streamed = (modelOf) => async (baseURL, apiKey) => {
  let failure;
  const result = streamText({
    model: modelOf({ baseURL, apiKey }),
    prompt,
    maxOutputTokens,
    onError: ({ error }) => {
      failure = error;
    },
  });
  const pieces = await all(result.textStream);
  if (failure !== undefined) throw failure;
  return { pieces, usage: await result.usage, finishReason: await result.finishReason };
};

const chat = (options) => createOpenAI(options).chat("gpt-4o");
const responses = (options) => createOpenAI(options)("gpt-4o");
const messages = (options) => createAnthropic(options)("claude-haiku-5-5");

await answerAll({
  chat: generated(chat),
  "chat, streamed": streamed(chat),
  responses: generated(responses),
  "responses, streamed": streamed(responses),
  messages: generated(messages),
  "messages, streamed": streamed(messages),
  embeddings: async (baseURL, apiKey) => {
    const model = createOpenAI({ baseURL, apiKey }).embedding("text-embedding-3-small");
    const { embeddings, usage } = await embedMany({ model, values: ["one", "two"] });
    return { embeddings, usage };
  },
  images: async (baseURL, apiKey) => {
    const model = createOpenAI({ baseURL, apiKey }).image("gpt-image-1");
    const { image, usage } = await generateImage({ model, prompt: "A cat", size: "1024x1024" });
    return { image: image.base64, usage };
  },
  speech: async (baseURL, apiKey) => {
    const model = createOpenAI({ baseURL, apiKey }).speech("tts-1");
    const { audio } = await generateSpeech({ model, text: "Hello there" });
    return audio.base64;
  },
  transcriptions: async (baseURL, apiKey) => {
    const model = createOpenAI({ baseURL, apiKey }).transcription("gpt-4o-transcribe");
    const { text } = await transcribe({ model, audio: Buffer.alloc(4_000, 1) });
    return text;
  },
});
