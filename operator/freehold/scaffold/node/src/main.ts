#!/usr/bin/env node
/** The command line: `example-service serve`, the default, and `example-service migrate`. */

import { migrate, MigrationError, packaged } from "./migrate.ts";
import { NAME } from "./names.ts";
import { serve } from "./server.ts";
import { databaseUrl, readSettings, SettingsError } from "./settings.ts";

const [command = "serve", ...more] = process.argv.slice(2);

async function main(): Promise<void> {
  if (command === "serve" && more.length === 0) {
    await serve(readSettings(process.env));
  } else if (command === "migrate" && more.length === 0) {
    const applied = await migrate(databaseUrl(process.env), packaged());
    for (const name of applied) console.log(`applied ${name}`);
    console.log("the schema is up to date");
  } else {
    throw new SettingsError(`unknown command; use ${NAME} serve or ${NAME} migrate`);
  }
}

main().catch((error: unknown) => {
  console.error(`${NAME} ${command}: ${reason(error)}`);
  process.exitCode = 1;
});

/** Returns one sentence for an error that the user can correct, such as a missing database, or the stack trace. */
function reason(error: unknown): string {
  if (error instanceof SettingsError || error instanceof MigrationError) return error.message;
  const { code, message, stack } = error as NodeJS.ErrnoException;
  return code === undefined ? String(stack) : message || code;
}
