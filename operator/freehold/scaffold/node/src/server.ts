/** The server process: listens immediately, becomes ready with its database, and shuts down gracefully. */

import { once } from "node:events";
import { promisify } from "node:util";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import { HealthImplementation } from "grpc-health-check";
import { NotesService, offered } from "./contract.ts";
import { openPool } from "./database.ts";
import { log } from "./log.ts";
import { notesService } from "./notes.ts";
import { announce, watch } from "./readiness.ts";
import { type Settings, SettingsError } from "./settings.ts";

const GRACE_MS = 10_000;

// Connections end after a few seconds, so that clients resolve the name again and find new servers.
const OPTIONS = {
  "grpc.max_connection_age_ms": 4_000,
  "grpc.max_connection_age_grace_ms": 10_000,
  "grpc.keepalive_time_ms": 20_000,
  "grpc.keepalive_timeout_ms": 5_000,
};

/** Serves until SIGTERM or SIGINT; throws SettingsError. */
export async function serve(settings: Settings): Promise<void> {
  const stopping = Promise.race([once(process, "SIGTERM"), once(process, "SIGINT")]);
  const pool = openPool(settings.databaseUrl);
  const health = new HealthImplementation();
  announce(health, false);
  const server = new Server(OPTIONS);
  server.addService(NotesService.service, notesService(pool, settings.budgetMs));
  health.addToServer(server);
  new ReflectionService(offered).addToServer(server);
  await listen(server, settings.grpcPort);
  log("info", "listening", { port: settings.grpcPort });

  const shutdown = new AbortController();
  const watching = watch(pool, health, shutdown.signal);
  await stopping;
  log("info", "shutting down");
  shutdown.abort();
  announce(health, false);
  await stop(server);
  await watching;
  await pool.end();
  log("info", "stopped");
}

async function listen(server: Server, port: number): Promise<void> {
  await promisify(server.bindAsync.bind(server))(`[::]:${port}`, ServerCredentials.createInsecure()).catch(
    (error: unknown) => {
      throw new SettingsError(`GRPC_PORT ${port} is taken or not allowed; give this service another port`, {
        cause: error,
      });
    },
  );
}

/** Refuses new calls, and gives running calls time to end. */
async function stop(server: Server): Promise<void> {
  const timer = setTimeout(() => {
    server.forceShutdown();
  }, GRACE_MS);
  await promisify(server.tryShutdown.bind(server))();
  clearTimeout(timer);
}
