/** Keeps the health service true: SERVING while the database answers, NOT_SERVING while it does not. */

import { setTimeout as pause } from "node:timers/promises";
import type { HealthImplementation } from "grpc-health-check";
import type pg from "pg";
import { query } from "./database.ts";
import { log } from "./log.ts";
import { SERVICE } from "./names.ts";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

/** Says so for the server as a whole (the empty name, which probes ask for) and for its service. */
export function announce(health: HealthImplementation, serving: boolean): void {
  for (const name of ["", SERVICE]) health.setStatus(name, serving ? "SERVING" : "NOT_SERVING");
}

/** Asks the database over and over, at first quickly, then every two seconds, until the signal says to leave. */
export async function watch(pool: pg.Pool, health: HealthImplementation, leave: AbortSignal): Promise<void> {
  try {
    await ask(pool, health, leave);
  } catch (error) {
    if (!leave.aborted) throw error;
  }
}

async function ask(pool: pg.Pool, health: HealthImplementation, leave: AbortSignal): Promise<never> {
  let serving: boolean | undefined;
  for (let wait = FIRST_PAUSE_MS; ; wait = Math.min(wait * 2, LONGEST_PAUSE_MS)) {
    const answers = await answersNow(pool);
    leave.throwIfAborted();
    if (answers !== serving) {
      serving = answers;
      announce(health, serving);
      log("info", serving ? "ready" : "not ready: the database does not answer; trying again");
    }
    await pause(wait, undefined, { signal: leave });
  }
}

function answersNow(pool: pg.Pool): Promise<boolean> {
  return query(pool, AbortSignal.timeout(2_000), "SELECT 1").then(
    () => true,
    () => false,
  );
}
