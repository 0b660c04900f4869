/**
 * The journal of an output folder: which pictures are finished, so that a second run does not restore them again.
 *
 * Invariants:
 * 1. Lines are only ever appended, one a finished picture, synced to disk before the picture counts as done.
 * 2. A line that is no complete entry (the last one, after a crash) is passed over; new lines never continue it.
 * 3. An entry counts only while its output file has the content it recorded.
 */
import { type FileHandle, mkdir, open, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { writeFailure } from "../../shared/pictures/atomic-write.js";
import { contentHash } from "./picture-key.js";
import { type ReportItem, reportItemSchema } from "./report.js";

const entrySchema = z.object({ key: z.string(), outputHash: z.string(), item: reportItemSchema });

/** A finished picture. */
export type JournalEntry = z.infer<typeof entrySchema>;

/** Where the journal of an output folder lies. */
export const journalPath = (out: string): string => join(out, ".deqfleet", "journal.jsonl");

const codeOf = (error: unknown): unknown =>
  error instanceof Error && "code" in error ? error.code : undefined;

/** `mkdir -p`. Node's own tries for ever on file systems that have no room for folders at all, such as /proc. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (codeOf(error) === "EEXIST" && (await stat(path)).isDirectory()) return;
    if (codeOf(error) !== "ENOENT" || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await mkdir(path).catch((again: unknown) => {
      // Another process may have been quicker.
      if (codeOf(again) !== "EEXIST") throw again;
    });
  }
}

function parseEntry(line: string): JournalEntry | undefined {
  try {
    return entrySchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

/** The journal, open for appending. */
export class Journal {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #entries: Map<string, JournalEntry>;
  #startsLine: boolean;
  /** Appends wait for each other, so that lines never mix. */
  #last: Promise<void> = Promise.resolve();

  private constructor(
    path: string,
    file: FileHandle,
    entries: Map<string, JournalEntry>,
    startsLine: boolean,
  ) {
    this.#path = path;
    this.#file = file;
    this.#entries = entries;
    this.#startsLine = startsLine;
  }

  /**
   * Opens the journal of an output folder, creating both.
   * @throws FatalError if the folder is not writable
   */
  static async open(out: string): Promise<Journal> {
    const path = journalPath(out);
    try {
      await makeFolder(dirname(path));
      const file = await open(path, "a");
      const text = await readFile(path, "utf8");
      const entries = text.split("\n").flatMap((line) => parseEntry(line) ?? []);
      const byKey = new Map(entries.map((entry) => [entry.key, entry]));
      return new Journal(path, file, byKey, text === "" || text.endsWith("\n"));
    } catch (cause) {
      throw writeFailure(path, cause);
    }
  }

  /** What was recorded under a key, if the output file still has the content it had then. */
  async finished(key: string, output: string): Promise<ReportItem | undefined> {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const hash = await contentHash(output).catch(() => undefined);
    return hash === entry.outputHash ? entry.item : undefined;
  }

  /**
   * Records a finished picture; when this returns the entry is on disk.
   * @throws FatalError if it cannot be written
   */
  append(entry: JournalEntry): Promise<void> {
    const write = this.#last.then(() => this.#write(entry));
    this.#last = write.catch(() => {});
    return write;
  }

  async #write(entry: JournalEntry): Promise<void> {
    const line = `${this.#startsLine ? "" : "\n"}${JSON.stringify(entry)}\n`;
    try {
      // Until the line is complete on disk, whatever follows must begin a new one.
      this.#startsLine = false;
      await this.#file.appendFile(line);
      await this.#file.datasync();
      this.#startsLine = true;
      this.#entries.set(entry.key, entry);
    } catch (cause) {
      throw writeFailure(this.#path, cause);
    }
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#file.close();
  }
}
