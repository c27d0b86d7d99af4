/** Writes one line of JSON to standard output. */
export function log(level: "info" | "warn" | "error", message: string, fields: object = {}): void {
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })}\n`);
}
