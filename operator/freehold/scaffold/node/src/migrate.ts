/** Migrations: each SQL file in the folder `migrations` is applied once, in the order of the file names. */

import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { CONNECTION_OPTIONS } from "./database.ts";

/** The SQL of each migration, by file name. */
export type Migrations = ReadonlyMap<string, string>;

/** A file failed and was rolled back; the message has the file name and the cause. */
export class MigrationError extends Error {}

const FOLDER = new URL("../../migrations/", import.meta.url);
const HISTORY = `
  CREATE TABLE IF NOT EXISTS schema_migrations (
    name text PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
  )`;
const LOCK = 0x6e6f7465; // serializes runs ("note" in ASCII)
const PATIENCE_MS = 30_000; // the time to wait for the database

/** Returns the migrations of this release. */
export function packaged(): Migrations {
  const names = readdirSync(FOLDER).filter((name) => name.endsWith(".sql"));
  return new Map(names.map((name) => [name, readFileSync(new URL(name, FOLDER), "utf8")]));
}

/** Applies the missing migrations, each in its own transaction, and returns their names. */
export async function migrate(connectionString: string, migrations: Migrations): Promise<string[]> {
  const connection = await connect(connectionString);
  try {
    await connection.query("SELECT pg_advisory_lock($1)", [LOCK]);
    // A schema change that waits for a lock blocks all later queries; failing is better than blocking the service.
    await connection.query("SET lock_timeout = '10s'");
    await connection.query(HISTORY);
    const { rows } = await connection.query<{ name: string }>("SELECT name FROM schema_migrations");
    const done = new Set(rows.map(({ name }) => name));
    const missing = [...migrations].filter(([name]) => !done.has(name)).sort();
    for (const [name, sql] of missing) await apply(connection, name, sql);
    return missing.map(([name]) => name);
  } finally {
    await connection.end();
  }
}

async function apply(connection: pg.Client, name: string, sql: string): Promise<void> {
  try {
    await connection.query("BEGIN");
    await connection.query(sql);
    await connection.query("INSERT INTO schema_migrations (name) VALUES ($1)", [name]);
    await connection.query("COMMIT");
  } catch (error) {
    throw new MigrationError(`${name}: ${(error as Error).message}`, { cause: error });
  }
}

async function connect(connectionString: string): Promise<pg.Client> {
  const deadline = Date.now() + PATIENCE_MS;
  for (let wait = 200; ; wait = Math.min(wait * 2, 3_000)) {
    const connection = new pg.Client({
      ...CONNECTION_OPTIONS,
      connectionString,
      connectionTimeoutMillis: 3_000,
    });
    try {
      await connection.connect();
      return connection;
    } catch (error) {
      if (Date.now() + wait > deadline) throw error;
    }
    await pause(wait);
  }
}
