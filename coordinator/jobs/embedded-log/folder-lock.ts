/**
 * Keeps a folder to one process. The lock is a listening Unix socket in it, `lock.N`: the kernel closes it with its process,
 * however that ends, so a lock that refuses connections is stale. It is recognised across containers of one machine, too,
 * where process numbers mean nothing; across machines that share a folder it is not.
 *
 * Taking it: bind the number after the highest, listen, and then look at the others again. Of two processes that do so at
 * once at least one sees the other, since each listens before it looks; one that sees another alive steps back.
 */
import { type FileHandle, open, readdir, rm } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { DeqfleetError, InputError } from "../../../shared/errors.js";

/** A Unix socket's path may take 103 bytes on macOS, 107 on Linux. */
const pathBytes = 103;
const answerMilliseconds = 500;

/** @returns the process that listens, as it calls itself; undefined if none does */
function listenerAt(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(path).setEncoding("utf8");
    const finish = (holder: string | undefined) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(holder);
    };
    // One that listens but does not answer is stopped or busy: it is alive.
    const timer = setTimeout(() => finish("another process"), answerMilliseconds);
    socket.on("data", (text: string) => {
      answer += text;
    });
    socket.on("end", () => finish(`process ${answer}`));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      finish(error.code === "ECONNREFUSED" || error.code === "ENOENT" ? undefined : "another process");
    });
  });
}

/** @returns undefined if the name is taken */
function listen(path: string): Promise<Server | undefined> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.end(String(process.pid));
  });
  return new Promise((resolve, reject) => {
    // Later errors, of connections, are nobody's concern.
    server.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(error);
    });
    server.listen(path, () => {
      server.unref();
      resolve(server);
    });
  });
}

const closed = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

/** Numbers of the locks in a folder, ascending. */
async function locksIn(folder: string): Promise<number[]> {
  const numbers = (await readdir(folder)).flatMap((name) => /^lock\.(\d+)$/.exec(name)?.[1] ?? []);
  return numbers.map(Number).sort((a, b) => a - b);
}

export class FolderLock {
  readonly #server: Server;
  readonly #directory: FileHandle;

  private constructor(server: Server, directory: FileHandle) {
    this.#server = server;
    this.#directory = directory;
  }

  /** @throws InputError if another process holds it, or the folder's file system has no Unix sockets */
  static async take(folder: string): Promise<FolderLock> {
    const directory = await open(folder, "r");
    // A long path is shortened by way of the open folder.
    const base =
      Buffer.byteLength(join(folder, "lock.999999")) > pathBytes ? `/proc/self/fd/${directory.fd}` : folder;
    const pathOf = (number: number) => join(base, `lock.${number}`);
    try {
      for (let attempt = 1; ; attempt++) {
        const before = await locksIn(folder);
        const own = (before.at(-1) ?? 0) + 1;
        const server =
          (await FolderLock.#holder(before, pathOf)) === undefined && (await listen(pathOf(own)));
        if (server) {
          const others = (await locksIn(folder)).filter((number) => number !== own);
          if (
            (await FolderLock.#holder(others, pathOf)) === undefined &&
            !others.some((number) => number > own)
          ) {
            for (const number of others) await rm(join(folder, `lock.${number}`), { force: true });
            return new FolderLock(server, directory);
          }
          await closed(server);
        }
        const holder = await FolderLock.#holder(await locksIn(folder), pathOf);
        // Whoever was seen once may have been about to step back.
        if (attempt >= 3 && holder !== undefined) {
          throw new InputError(`${folder} is in use by ${holder}: stop that one, or give another folder`);
        }
        await delay(20 * attempt * (0.5 + Math.random()));
      }
    } catch (cause) {
      await directory.close();
      if (cause instanceof DeqfleetError) throw cause;
      throw new InputError(
        `${folder} cannot be locked: ${DeqfleetError.messageOf(cause)}; it has to be on a file system with Unix sockets`,
        { cause },
      );
    }
  }

  static async #holder(locks: readonly number[], pathOf: (number: number) => string) {
    for (const number of locks) {
      const holder = await listenerAt(pathOf(number));
      if (holder !== undefined) return holder;
    }
    return undefined;
  }

  /** The socket's file goes with it. */
  async release(): Promise<void> {
    await closed(this.#server);
    await this.#directory.close();
  }
}
