/** The connection pool: small, and back at work as soon as the database is, which no call need notice. */

import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { log } from "./log.ts";
import { NAME } from "./names.ts";

export const CONNECTION_OPTIONS = {
  application_name: NAME,
  keepAlive: true,
  keepAliveInitialDelayMillis: 10_000,
  // The server looks every 100 ms whether whom it works for is still there, and stops if not.
  options: "-c client_connection_check_interval=100",
};

// For how long a statement is made again, and what lies between two attempts: a server that restarts or hands over to
// another is back within it.
const ABSENCE_MS = 2_000;
const PAUSE_MS = 50;

/** There is no connection, or it broke: another server, or the same one soon, may do better. */
export class DatabaseAwayError extends Error {}

/** A pool that connects when it is asked for something; a caller waits at most a second for a connection. */
export function openPool(connectionString: string): pg.Pool {
  const pool = new pg.Pool({
    ...CONNECTION_OPTIONS,
    connectionString, // parsed at each new connection, and the file of an sslrootcert is read then
    connectionTimeoutMillis: 1_000,
    max: 8,
  });
  pool.on("error", (error) => {
    log("warn", "an idle connection to the database was lost", { error: error.message });
  });
  // One that is lost in use fails its query, and that is enough.
  pool.on("connect", (connection) => connection.on("error", () => undefined));
  return pool;
}

/**
 * Runs one statement and returns its rows; an abort ends it at once. Where its connection ends it is run again, on
 * another one, so it must leave what it leaves when run once. Throws DatabaseAwayError.
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

/** What the server says of a statement is a defect of ours, unless it is leaving (57P…) or out of resources (53…). */
function failed(error: Error): never {
  if (error instanceof pg.DatabaseError && !/^(57P|53)/.test(error.code ?? "")) throw error;
  throw new DatabaseAwayError(error.message, { cause: error });
}
