import assert from "node:assert/strict";
import { test } from "node:test";
import { formatAmount, parseMoney } from "../src/money.ts";

const WELL_FORMED: [string, string, bigint, string][] = [
  ["12.50", "EUR", 1250n, "12.50"],
  ["12,5", "EUR", 1250n, "12.50"],
  [" 7 ", "EUR", 700n, "7.00"],
  ["0.05", "EUR", 5n, "0.05"],
  ["1250", "JPY", 1250n, "1250"],
  ["1.234", "KWD", 1234n, "1.234"],
  ["999999999999.99", "USD", 99999999999999n, "999999999999.99"],
];

for (const [typed, currency, minorUnits, shown] of WELL_FORMED) {
  test(`"${typed}" ${currency} is ${minorUnits.toString()} of its smallest unit`, () => {
    const money = parseMoney(typed, currency);
    assert.deepEqual(money, { currency, minorUnits });
    assert.equal(formatAmount(money), shown);
  });
}

const MALFORMED: [string, string, RegExp][] = [
  ["", "EUR", /^Amount must look like 12\.50 for EUR; it is ""\.$/],
  ["12.505", "EUR", /Amount must look like 12\.50/],
  ["-1", "EUR", /Amount must look like 12\.50/],
  ["1e3", "EUR", /Amount must look like 12\.50/],
  ["12.5", "JPY", /^Amount must look like 12 for JPY/],
  ["12", "eur", /^Currency must be an ISO 4217 code, like EUR; it is "eur"\.$/],
];

for (const [typed, currency, sentence] of MALFORMED) {
  test(`"${typed}" ${currency} is refused`, () => {
    assert.throws(() => parseMoney(typed, currency), { status: 400, message: sentence });
  });
}
