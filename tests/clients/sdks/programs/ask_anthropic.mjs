// @anthropic-ai/sdk, as programs make its client.
import Anthropic from "@anthropic-ai/sdk";
import { all, answerAll } from "./asked.mjs";

const messages = [{ role: "user", content: "What is the capital of Åland?" }];
const model = "claude-haiku-5-5";
const withClient = (ask) => (baseURL, apiKey) =>
  ask(new Anthropic({ baseURL: baseURL.replace(/\/v1$/, ""), apiKey }));

await answerAll({
  messages: withClient((client) => client.messages.create({ model, messages, max_tokens: 40 })),
  "messages, streamed": withClient((client) =>
    all(client.messages.stream({ model, messages, max_tokens: 40 })),
  ),
  count_tokens: withClient((client) => client.messages.countTokens({ model, messages })),
});
