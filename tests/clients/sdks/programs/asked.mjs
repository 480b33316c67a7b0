// What the programs in JavaScript share: one question a line comes in, one answer a line goes
// out, as in asked.py.
import { createInterface } from "node:readline";

export async function answerAll(asks) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { name, base_url, api_key } = JSON.parse(line);
    let answer;
    try {
      answer = { said: await asks[name](base_url, api_key) };
    } catch (error) {
      answer = { kind: error.constructor.name, shown: String(error.message) };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  }
}

export async function all(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return pieces;
}
