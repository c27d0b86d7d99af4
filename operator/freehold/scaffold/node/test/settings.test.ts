import assert from "node:assert/strict";
import { test } from "node:test";
import { readSettings } from "../src/settings.ts";

const DATABASE_URL = "postgresql://user:secret@host:5432/notes";

test("settings have defaults", () => {
  assert.deepEqual(readSettings({ DATABASE_URL }), {
    databaseUrl: DATABASE_URL,
    grpcPort: 50051,
    budgetMs: 5000,
  });
});

const REFUSED: [NodeJS.ProcessEnv, RegExp][] = [
  [{}, /^DATABASE_URL must be set, like postgresql:\/\/user/],
  [{ DATABASE_URL: "mysql://host/notes" }, /^DATABASE_URL must be set/],
  [{ DATABASE_URL, GRPC_PORT: "grpc" }, /^GRPC_PORT must be a number from 1 to 65535; it is "grpc"$/],
  [
    { DATABASE_URL, LATENCY_BUDGET_MS: "0" },
    /^LATENCY_BUDGET_MS must be a number from 1 to 3600000; it is "0"$/,
  ],
  [{ DATABASE_URL, GRPC_TLS: "Mutual" }, /^GRPC_TLS must not be set/],
];

for (const [environment, sentence] of REFUSED) {
  test(`a missing or invalid setting is reported: ${sentence.source}`, () => {
    assert.throws(() => readSettings(environment), { message: sentence });
  });
}
