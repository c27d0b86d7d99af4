/** Updates the health status: SERVING while the database is available, otherwise NOT_SERVING. */

import { setTimeout as pause } from "node:timers/promises";
import type { HealthImplementation } from "grpc-health-check";
import type pg from "pg";
import { query } from "./database.ts";
import { log } from "./log.ts";
import { SERVICE } from "./names.ts";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

/** Sets the status of the server as a whole (the empty name, used by probes) and of its service. */
export function announce(health: HealthImplementation, serving: boolean): void {
  for (const name of ["", SERVICE]) health.setStatus(name, serving ? "SERVING" : "NOT_SERVING");
}

/** Queries the database repeatedly, at first often, then every two seconds, until the signal is aborted. */
export async function watch(pool: pg.Pool, health: HealthImplementation, stop: AbortSignal): Promise<void> {
  try {
    await poll(pool, health, stop);
  } catch (error) {
    if (!stop.aborted) throw error;
  }
}

async function poll(pool: pg.Pool, health: HealthImplementation, stop: AbortSignal): Promise<never> {
  let serving: boolean | undefined;
  for (let wait = FIRST_PAUSE_MS; ; wait = Math.min(wait * 2, LONGEST_PAUSE_MS)) {
    const answers = await answersNow(pool);
    stop.throwIfAborted();
    if (answers !== serving) {
      serving = answers;
      announce(health, serving);
      log("info", serving ? "ready" : "not ready: the database does not answer; trying again");
    }
    await pause(wait, undefined, { signal: stop });
  }
}

function answersNow(pool: pg.Pool): Promise<boolean> {
  return query(pool, AbortSignal.timeout(2_000), "SELECT 1").then(
    () => true,
    () => false,
  );
}
