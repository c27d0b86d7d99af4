/** The fields of a form or a JSON object. */

import type { IncomingMessage } from "node:http";
import { Refusal } from "./refusal.ts";

export type Fields = Readonly<Record<string, string>>;

const MOST_BYTES = 16 * 1024;

/** Reads a form or a flat JSON object; throws a Refusal for other or too large requests. */
export async function readFields(request: IncomingMessage): Promise<Fields> {
  const type = request.headers["content-type"]?.split(";")[0];
  if (type === "application/x-www-form-urlencoded") {
    return Object.fromEntries(new URLSearchParams(await readBody(request)));
  }
  if (type === "application/json") return parseObject(await readBody(request));
  throw new Refusal(415, "Send application/json, or a form.");
}

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MOST_BYTES) throw new Refusal(413, `At most ${MOST_BYTES} bytes can be sent.`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

function parseObject(text: string): Fields {
  const refusal = new Refusal(400, 'Send a JSON object whose values are texts, like {"amount": "12.50"}.');
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw refusal;
    if (!Object.values(value).every((entry) => typeof entry === "string")) throw refusal;
    return value as Fields;
  } catch {
    throw refusal;
  }
}
