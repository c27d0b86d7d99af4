import assert from "node:assert/strict";
import { test } from "node:test";
import { readSettings } from "../src/settings.ts";

const TARGETS = { USERS_GRPC_TARGET: "dns:///users:50051", PAYMENTS_GRPC_TARGET: "dns:///payments:50051" };

test("the port has a default", () => {
  assert.equal(readSettings(TARGETS).httpPort, 8080);
});

test("a service is called in plaintext unless mutual TLS is requested for the service", () => {
  const settings = readSettings({ ...TARGETS, GRPC_TLS_DIR: "/identity", USERS_GRPC_TLS: "Mutual" });
  assert.equal(settings.users.tlsDirectory, "/identity");
  assert.equal(settings.payments.tlsDirectory, undefined);
});

test("a shop has invoices if their target is set", () => {
  const settings = readSettings({ ...TARGETS, INVOICES_GRPC_TARGET: "dns:///invoices:50051" });
  assert.equal(settings.invoices?.target, "dns:///invoices:50051");
  assert.equal(readSettings(TARGETS).invoices, undefined);
});

test("the latency budget limits a request; the default is three seconds", () => {
  assert.equal(readSettings({ ...TARGETS, LATENCY_BUDGET_MS: "250" }).patienceMs, 250);
  assert.equal(readSettings(TARGETS).patienceMs, 3_000);
});

test("the service config is a file in the service binding", () => {
  const settings = readSettings({ ...TARGETS, SERVICE_BINDING_ROOT: "/bindings" });
  assert.equal(settings.payments.serviceConfigFile, "/bindings/payments/service-config");
  assert.equal(readSettings(TARGETS).payments.serviceConfigFile, undefined);
});

const REFUSED: [NodeJS.ProcessEnv, RegExp][] = [
  [{}, /^USERS_GRPC_TARGET must be set, like dns:\/\/\/users/],
  [{ USERS_GRPC_TARGET: "dns:///users:50051" }, /^PAYMENTS_GRPC_TARGET must be set/],
  [{ ...TARGETS, HTTP_PORT: "http" }, /^HTTP_PORT must be a number from 0 to 65535; it is "http"$/],
  [
    { ...TARGETS, USERS_GRPC_TLS: "mutual" },
    /^USERS_GRPC_TLS must be Mutual, or not set at all for plaintext; it is "mutual"$/,
  ],
  [
    { ...TARGETS, LATENCY_BUDGET_MS: "0" },
    /^LATENCY_BUDGET_MS must be a number of milliseconds from 1 on; it is "0"$/,
  ],
  [{ ...TARGETS, PAYMENTS_GRPC_TLS: "Mutual" }, /^GRPC_TLS_DIR must be set where PAYMENTS_GRPC_TLS is/],
];

for (const [environment, sentence] of REFUSED) {
  test(`a missing or invalid setting is reported: ${sentence.source}`, () => {
    assert.throws(() => readSettings(environment), { message: sentence });
  });
}
