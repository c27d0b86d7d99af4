/** The methods of the contract, and their queries. */

import { status } from "@grpc/grpc-js";
import type pg from "pg";
import type { Note } from "../gen/example_service/v1/Note.ts";
import type { NotesServiceHandlers } from "../gen/example_service/v1/NotesService.ts";
import { answering, Refusal } from "./calls.ts";
import { query } from "./database.ts";

export function notesService(pool: pg.Pool, budgetMs: number): NotesServiceHandlers {
  return {
    PutNote: answering(budgetMs, async ({ id, text }, signal) => {
      checkId(id);
      checkText(text);
      const put =
        "INSERT INTO notes (id, text) VALUES ($1, $2) " +
        "ON CONFLICT (id) DO UPDATE SET text = excluded.text, update_time = now()";
      await query(pool, signal, put, [id, text]);
      return { note: { id, text } };
    }),

    GetNote: answering(budgetMs, async ({ id }, signal) => {
      checkId(id);
      const [note] = await query<Note>(pool, signal, "SELECT id, text FROM notes WHERE id = $1", [id]);
      if (!note) throw new Refusal(status.NOT_FOUND, `no note has the id ${id}`);
      return { note };
    }),
  };
}

function checkId(id: string): void {
  const length = characters(id);
  if (length < 1 || length > 100 || /\p{Cc}/u.test(id)) {
    refuse(`id must have 1 to 100 characters, none of them a control character; it has ${length}`);
  }
}

function checkText(text: string): void {
  const length = characters(text);
  if (length < 1 || length > 10_000 || text.includes("\0")) {
    refuse(`text must have 1 to 10000 characters, none of them NUL; it has ${length}`);
  }
}

function characters(text: string): number {
  return Array.from(text).length;
}

function refuse(sentence: string): never {
  throw new Refusal(status.INVALID_ARGUMENT, sentence);
}
