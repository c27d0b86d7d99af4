/** Tests of migrations, with a database. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { migrate, packaged } from "../src/migrate.ts";
import { Database } from "./harness.ts";

test("a second run applies nothing", async () => {
  const url = (await Database.empty()).url("owner");

  assert.deepEqual(await migrate(url, packaged()), [...packaged().keys()].sort());
  assert.deepEqual(await migrate(url, packaged()), []);
});

test("two concurrent runs apply each file once", async () => {
  const url = (await Database.empty()).url("owner");
  const slow = new Map([
    ["0001_a.sql", "CREATE TABLE a (); SELECT pg_sleep(0.3)"],
    ["0002_b.sql", "CREATE TABLE b ()"],
  ]);

  const applied = await Promise.all([migrate(url, slow), migrate(url, slow)]);

  assert.deepEqual(applied.flat().sort(), [...slow.keys()]);
});

test("a failed file is rolled back and reported with its cause", async () => {
  const database = await Database.empty();
  const files = new Map([
    ["0001_good.sql", "CREATE TABLE good ()"],
    ["0002_bad.sql", "CREATE TABLE half (); SELECT * FROM absent"],
  ]);

  await assert.rejects(migrate(database.url("owner"), files), {
    message: '0002_bad.sql: relation "absent" does not exist',
  });

  const tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1";
  const { rows } = await database.runAs("owner", tables);
  assert.deepEqual(rows, [{ tablename: "good" }, { tablename: "schema_migrations" }]);
});

test("the service's role can change rows, but no tables", async () => {
  const database = await Database.migrated();

  await database.runAs("app", "INSERT INTO notes (id, text) VALUES ('a', 'b')");
  await assert.rejects(database.runAs("app", "DROP TABLE notes"), { code: "42501" });
});
