/** The log during a test. */

import type { TestContext } from "node:test";

/** Records the log lines from now on, instead of printing them. */
export function captureLog(context: TestContext): Record<string, unknown>[] {
  const lines: Record<string, unknown>[] = [];
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = (text: string | Uint8Array, ...more: []) => {
    if (typeof text !== "string" || !text.startsWith('{"time":')) return write(text, ...more);
    lines.push(JSON.parse(text) as Record<string, unknown>);
    return true;
  };
  context.after(() => {
    process.stdout.write = write;
  });
  return lines;
}
