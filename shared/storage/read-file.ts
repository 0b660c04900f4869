/** Reading a file of a folder, by Node's threads or in this one. */
import { closeSync, constants, fstatSync, openSync, readFile, readFileSync, type Stats } from "node:fs";
import { open } from "node:fs/promises";
import { PictureError } from "../errors.js";

/** What is read. */
export interface FileReading {
  /** The path that errors name. */
  readonly shown: string;
  /** Larger files are refused. */
  readonly maxBytes: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * What is opened is a real path, which has no link left to follow. Without O_NONBLOCK opening a pipe would wait for somebody to write
 * into it.
 */
const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** @throws PictureError if it is no file, or too large */
function checkFile(found: Stats, shown: string, maxBytes: number): void {
  if (!found.isFile()) throw new PictureError(`${shown} is no file`);
  if (found.size > maxBytes) {
    throw new PictureError(`${shown} has ${found.size} bytes, more than the ${maxBytes} allowed`);
  }
}

/** Files up to this size are read at once by who has a thread of their own. */
const readAtOnce = 1024 * 1024;

const readLater = (file: number, signal: AbortSignal | undefined): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    readFile(file, { signal }, (error, bytes) => (error ? reject(error) : resolve(bytes)));
  });

/** Reads a file without Node's threads, but for large ones. @throws PictureError if it is no file, or too large */
export async function readHere(path: string, { shown, maxBytes, signal }: FileReading): Promise<Uint8Array> {
  const file = openSync(path, flags);
  try {
    const found = fstatSync(file);
    checkFile(found, shown, maxBytes);
    return found.size <= readAtOnce ? readFileSync(file) : await readLater(file, signal);
  } finally {
    closeSync(file);
  }
}

/** Reads a file by Node's threads. @throws PictureError if it is no file, or too large */
export async function readByThreads(
  path: string,
  { shown, maxBytes, signal }: FileReading,
): Promise<Uint8Array> {
  const file = await open(path, flags);
  try {
    checkFile(await file.stat(), shown, maxBytes);
    return await file.readFile({ signal });
  } finally {
    await file.close();
  }
}
