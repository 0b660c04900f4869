/** The dead letters of a job: one an item, the last that was buried. */
import { z } from "zod";
import { FatalError } from "../../../shared/errors.js";
import { workItemSchema } from "../../../shared/jobs/work-item.js";
import type { DeadLetter } from "../job-log.js";
import { LineFile } from "./line-file.js";
import { Mutex } from "./mutex.js";

const changeSchema = z.union([
  z.strictObject({
    buried: z.strictObject({ item: workItemSchema, errors: z.array(z.string()), at: z.string() }),
  }),
  z.strictObject({ exhumed: z.array(z.int().min(0)) }),
]);

export class DeadLetters {
  readonly #file: LineFile;
  readonly #mutex = new Mutex();
  /** Offset of the line behind each letter's, by the number of its item; in the order of their burial. */
  readonly #letters: Map<number, number>;

  private constructor(file: LineFile, letters: Map<number, number>) {
    this.#file = file;
    this.#letters = letters;
  }

  static async open(path: string): Promise<DeadLetters> {
    const letters = new Map<number, number>();
    const file = await LineFile.open(path, ({ json, end }) => {
      const { success, data, error } = changeSchema.safeParse(JSON.parse(json));
      if (!success) {
        throw new FatalError(`${path} holds a letter of another version: ${z.prettifyError(error)}`);
      }
      if ("buried" in data) {
        letters.delete(data.buried.item.index);
        letters.set(data.buried.item.index, end);
      } else for (const index of data.exhumed) letters.delete(index);
    });
    return new DeadLetters(file, letters);
  }

  bury(letter: DeadLetter): Promise<void> {
    return this.#mutex.run(async () => {
      await this.#file.append([{ buried: letter }]);
      this.#letters.delete(letter.item.index);
      this.#letters.set(letter.item.index, this.#file.bytes);
    });
  }

  async *all(): AsyncGenerator<DeadLetter, void, undefined> {
    for await (const lines of this.#file.read()) {
      for (const { json, end } of lines) {
        const change = changeSchema.parse(JSON.parse(json));
        if ("buried" in change && this.#letters.get(change.buried.item.index) === end) yield change.buried;
      }
    }
  }

  exhume(indices: readonly number[]): Promise<void> {
    return this.#mutex.run(async () => {
      await this.#file.append([{ exhumed: indices }]);
      for (const index of indices) this.#letters.delete(index);
    });
  }

  async close(): Promise<void> {
    await this.#mutex.run(() => this.#file.close());
  }
}
