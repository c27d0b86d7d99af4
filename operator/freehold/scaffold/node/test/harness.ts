/** A database with the roles Freehold creates, and a running server. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import type { TestContext } from "node:test";
import { promisify } from "node:util";
import { type CallOptions, Client, credentials, Metadata } from "@grpc/grpc-js";
import { service as health } from "grpc-health-check";
import pg from "pg";
import { NotesService } from "../src/contract.ts";
import { migrate, packaged } from "../src/migrate.ts";

export const PASSWORD = "correct-horse"; // the socket needs no password; tests search the logs for this one

/** A database for one test. The owner can change tables; the service's role can only read and write rows. */
export class Database {
  private constructor(private readonly name: string) {}

  /** Creates a database without tables. */
  static async empty(): Promise<Database> {
    const database = new Database(`t${randomBytes(6).toString("hex")}`);
    const { name } = database;
    await database.run(`CREATE ROLE ${name}_owner LOGIN`);
    await database.run(`CREATE ROLE ${name}_app LOGIN`);
    await database.run(`CREATE DATABASE ${name} OWNER ${name}_owner`);
    await database.runAs(
      "owner",
      `ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ${name}_app`,
    );
    return database;
  }

  /** Creates a database with the schema of this release. */
  static async migrated(): Promise<Database> {
    const database = await Database.empty();
    await migrate(database.url("owner"), packaged());
    return database;
  }

  url(role: "owner" | "app"): string {
    const url = administrator().replace(/postgres@/, `${this.name}_${role}:${PASSWORD}@`);
    return url.replace(/\/postgres\b/, `/${this.name}`);
  }

  /** Runs a statement as the superuser. */
  run(statement: string): Promise<pg.QueryResult> {
    return run(administrator(), statement);
  }

  runAs(role: "owner" | "app", statement: string): Promise<pg.QueryResult> {
    return run(this.url(role), statement);
  }

  /** Refuses connections and ends existing ones, as during a restart of the server. */
  async stop(): Promise<void> {
    await this.run(`ALTER DATABASE ${this.name} ALLOW_CONNECTIONS false`);
    await this.run(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${this.name}'`);
  }

  /** Accepts connections again. */
  async resume(): Promise<void> {
    await this.run(`ALTER DATABASE ${this.name} ALLOW_CONNECTIONS true`);
  }

  /** Returns when `count` queries wait for a lock; fails after five seconds. */
  async awaitWaiting(count: number): Promise<void> {
    const found = `SELECT 1 FROM pg_stat_activity WHERE datname = '${this.name}' AND wait_event_type = 'Lock'`;
    const deadline = Date.now() + 5_000;
    while ((await this.run(found)).rowCount !== count) {
      assert.ok(Date.now() < deadline, `expected ${count} queries that wait for a lock`);
    }
  }

  /** Locks the table during a function. */
  async locked<Result>(work: () => Promise<Result>): Promise<Result> {
    const connection = new pg.Client(this.url("owner"));
    await connection.connect();
    try {
      await connection.query("BEGIN; LOCK TABLE notes");
      return await work();
    } finally {
      await connection.end();
    }
  }
}

/** The service in a separate process, which ends with the test. */
export class Running {
  /** The output of the process. */
  log = "";
  readonly process: ChildProcess;
  readonly address: string;
  readonly notes;

  private constructor(database: Database, port: number, environment: NodeJS.ProcessEnv) {
    this.process = spawn(process.execPath, ["dist/src/main.js"], {
      env: { DATABASE_URL: database.url("app"), GRPC_PORT: String(port), ...environment },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.process.stdout?.on("data", (text) => (this.log += String(text)));
    this.address = `127.0.0.1:${port}`;
    this.notes = new NotesService(this.address, credentials.createInsecure());
  }

  static async start(
    context: Pick<TestContext, "after">,
    database: Database,
    environment: NodeJS.ProcessEnv = {},
  ): Promise<Running> {
    const running = new Running(database, await freePort(), environment);
    context.after(() => {
      running.notes.close();
      running.process.kill("SIGKILL");
    });
    return running;
  }

  /** Returns when the health service reports a status; fails after ten seconds. */
  async awaitHealth(wanted: string): Promise<void> {
    for await (const status of this.health()) if (status === wanted) return;
  }

  /** Yields the health status and its changes, for ten seconds at most. */
  async *health(): AsyncGenerator<string> {
    const { Watch } = health;
    assert.ok(Watch);
    const client = new Client(this.address, credentials.createInsecure());
    const watching = client.makeServerStreamRequest(
      Watch.path,
      Watch.requestSerialize,
      Watch.responseDeserialize,
      { service: "" },
      new Metadata({ waitForReady: true }),
      { deadline: Date.now() + 10_000 },
    );
    try {
      for await (const { status } of watching as AsyncIterable<{ status: string }>) yield status;
    } finally {
      watching.on("error", () => undefined).cancel();
      client.close();
    }
  }

  put(id: string, text: string, options: CallOptions = {}) {
    return promisify<object, CallOptions, unknown>(this.notes.putNote.bind(this.notes))(
      { id, text },
      options,
    );
  }

  get(id: string, options: CallOptions = {}) {
    return promisify<object, CallOptions, unknown>(this.notes.getNote.bind(this.notes))({ id }, options);
  }

  /** Sends SIGTERM and returns the exit code. */
  async shutDown(): Promise<number> {
    this.process.kill("SIGTERM");
    const [code] = (await once(this.process, "close")) as [number];
    return code;
  }
}

function administrator(): string {
  const url = process.env.TEST_DATABASE_URL;
  assert.ok(url, "set TEST_DATABASE_URL, or run the tests as: make test");
  return url;
}

async function run(url: string, statement: string): Promise<pg.QueryResult> {
  const connection = new pg.Client(url);
  await connection.connect();
  try {
    return await connection.query(statement);
  } finally {
    await connection.end();
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
