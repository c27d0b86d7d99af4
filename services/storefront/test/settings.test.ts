import assert from "node:assert/strict";
import { test } from "node:test";
import { readSettings } from "../src/settings.ts";

const TARGETS = { USERS_GRPC_TARGET: "dns:///users:50051", PAYMENTS_GRPC_TARGET: "dns:///payments:50051" };

test("the port has a default", () => {
  assert.equal(readSettings(TARGETS).httpPort, 8080);
});

test("all is plaintext unless TLS is asked for, which each service may", () => {
  const settings = readSettings({ ...TARGETS, GRPC_TLS_DIR: "/identity", USERS_GRPC_TLS: "Mutual" });
  assert.equal(settings.users.tlsDirectory, "/identity");
  assert.equal(settings.payments.tlsDirectory, undefined);
});

const REFUSED: [NodeJS.ProcessEnv, RegExp][] = [
  [{}, /^USERS_GRPC_TARGET must be set, like dns:\/\/\/users/],
  [{ USERS_GRPC_TARGET: "dns:///users:50051" }, /^PAYMENTS_GRPC_TARGET must be set/],
  [{ ...TARGETS, HTTP_PORT: "http" }, /^HTTP_PORT must be a number from 0 to 65535; it is "http"$/],
  [
    { ...TARGETS, USERS_GRPC_TLS: "mutual" },
    /^USERS_GRPC_TLS must be Mutual, or not set at all for plaintext; it is "mutual"$/,
  ],
  [{ ...TARGETS, PAYMENTS_GRPC_TLS: "Mutual" }, /^GRPC_TLS_DIR must be set where PAYMENTS_GRPC_TLS is/],
];

for (const [environment, sentence] of REFUSED) {
  test(`what is missing is named: ${sentence.source}`, () => {
    assert.throws(() => readSettings(environment), { message: sentence });
  });
}
