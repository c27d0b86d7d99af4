/** A small connection pool that reconnects within the time of a call when the database is back. */

import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { log } from "./log.ts";
import { NAME } from "./names.ts";

export const CONNECTION_OPTIONS = {
  application_name: NAME,
  keepAlive: true,
  keepAliveInitialDelayMillis: 10_000,
  // The server checks every 100 ms during a query whether the client is still connected, and cancels the query if not.
  options: "-c client_connection_check_interval=100",
};

// The time during which a statement is retried, and the time between two attempts: enough for a restart or a switchover
// of the database.
const ABSENCE_MS = 2_000;
const PAUSE_MS = 50;

/** The connection failed; a retry on another server, or later, may succeed. */
export class DatabaseAwayError extends Error {}

/** Opens a pool that connects on demand; a caller waits at most a second for a connection. */
export function openPool(connectionString: string): pg.Pool {
  const pool = new pg.Pool({
    ...CONNECTION_OPTIONS,
    connectionString, // parsed at each new connection, including the file in sslrootcert
    connectionTimeoutMillis: 1_000,
    max: 8,
  });
  pool.on("error", (error) => {
    log("warn", "an idle connection to the database was lost", { error: error.message });
  });
  // A connection that fails during a query also fails the query, which reports the error.
  pool.on("connect", (connection) => connection.on("error", () => undefined));
  return pool;
}

/**
 * Executes a statement and returns its rows; an abort cancels the statement. The statement must be idempotent: if its
 * connection fails, the statement is retried on another one. Throws DatabaseAwayError.
 */
export async function query<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  signal: AbortSignal,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const end = Date.now() + ABSENCE_MS;
  for (;;) {
    try {
      return await attempt<Row>(pool, signal, text, values);
    } catch (error) {
      if (!(error instanceof DatabaseAwayError) || Date.now() > end) throw error;
    }
    await pause(PAUSE_MS, undefined, { signal });
  }
}

async function attempt<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  signal: AbortSignal,
  text: string,
  values: unknown[],
): Promise<Row[]> {
  const connection = await connect(pool);
  const close = () => void connection.end();
  signal.addEventListener("abort", close);
  try {
    signal.throwIfAborted();
    return (await connection.query<Row>(text, values).catch(failed)).rows;
  } finally {
    signal.removeEventListener("abort", close);
    connection.release();
  }
}

async function connect(pool: pg.Pool): Promise<pg.PoolClient> {
  try {
    return await pool.connect();
  } catch (error) {
    throw new DatabaseAwayError((error as Error).message, { cause: error });
  }
}

/** Errors for a statement are defects, except when the server shuts down (57P…) or lacks resources (53…). */
function failed(error: Error): never {
  if (error instanceof pg.DatabaseError && !/^(57P|53)/.test(error.code ?? "")) throw error;
  throw new DatabaseAwayError(error.message, { cause: error });
}
