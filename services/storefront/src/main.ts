/** Starts the storefront, and shuts it down gracefully. */

import { once } from "node:events";
import { log } from "./log.ts";
import { createStorefront } from "./server.ts";
import { readSettings, SettingsError } from "./settings.ts";
import { openShop } from "./shop.ts";

const GRACE_MS = 10_000;

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  const shop = openShop(settings);
  const server = createStorefront(shop, settings.patienceMs);
  server.listen(settings.httpPort);
  await once(server, "listening");
  log("info", "listening", { port: settings.httpPort });

  await Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
  log("info", "shutting down");
  setTimeout(() => {
    server.closeAllConnections();
  }, GRACE_MS).unref();
  server.close();
  server.closeIdleConnections();
  await once(server, "close");
  shop.close();
  log("info", "stopped");
}

main().catch((error: unknown) => {
  process.stderr.write(`storefront: ${reason(error)}\n`);
  process.exitCode = 1;
});

/** Returns one sentence for an error that the user can correct, such as a port in use; otherwise the stack trace. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error instanceof SettingsError || "syscall" in error
    ? error.message
    : (error.stack ?? error.message);
}
