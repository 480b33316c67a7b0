// openai for JavaScript, as programs make its client.
import OpenAI from "openai";
import { all, answerAll } from "./asked.mjs";

const messages = [{ role: "user", content: "What is the capital of Åland?" }];
const model = "gpt-4o";
const withClient = (ask) => (baseURL, apiKey) => ask(new OpenAI({ baseURL, apiKey }));

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
  models: withClient((client) => all(client.models.list())),
});
