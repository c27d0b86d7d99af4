import assert from "node:assert/strict";
import { test } from "node:test";
import { readSettings } from "../src/settings.ts";

const TARGETS = { USERS_GRPC_TARGET: "dns:///users:50051", PAYMENTS_GRPC_TARGET: "dns:///payments:50051" };

test("the port has a default", () => {
  assert.equal(readSettings(TARGETS).httpPort, 8080);
});

const REFUSED: [NodeJS.ProcessEnv, RegExp][] = [
  [{}, /^USERS_GRPC_TARGET must be set, like dns:\/\/\/users/],
  [{ USERS_GRPC_TARGET: "dns:///users:50051" }, /^PAYMENTS_GRPC_TARGET must be set/],
  [{ ...TARGETS, HTTP_PORT: "http" }, /^HTTP_PORT must be a number from 0 to 65535; it is "http"$/],
];

for (const [environment, sentence] of REFUSED) {
  test(`what is missing is named: ${sentence.source}`, () => {
    assert.throws(() => readSettings(environment), { message: sentence });
  });
}
