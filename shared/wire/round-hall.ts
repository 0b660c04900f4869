/** Where workers come for the rounds of their slices: a socket of the file system for those of this machine, or a port. */
import { unlinkSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { join } from "node:path";
import { Server as SecureServer } from "node:tls";
import type { TlsSettings } from "../config/security-settings.js";
import { DeqfleetError, InputError } from "../errors.js";
import { listenOn, socketServer } from "../security/socket-security.js";
import { Frames } from "./frames.js";
import {
  type CommandSocket,
  commandCodec,
  eventCodec,
  greetingMilliseconds,
  keepAlive,
  RoundSocket,
} from "./round-socket.js";
import { laneName } from "./tensor-lane.js";

/** Connections that are given time to name their slice at once. */
const mostStrangers = 256;

/** Listens, and keeps the connections of announced slices until they are taken. */
export class RoundHall {
  /** By which workers find it: a name in the folder of the lanes, or a port. */
  readonly name: string;
  readonly #server: Server;
  /** Of a socket of the file system. */
  readonly #path: string | undefined;
  /** Connections of announced slices, by token; undefined until they come. */
  readonly #announced = new Map<string, CommandSocket | undefined>();
  readonly #sockets = new Set<Socket>();
  /** Connections that have named no slice yet. */
  #strangers = 0;

  private constructor(server: Server, name: string, path: string | undefined) {
    this.#server = server;
    this.name = name;
    this.#path = path;
    // A connection that cannot be taken (no descriptor is left) is its worker's to do without; unheard it would end this process.
    server.on("error", () => {});
    // With TLS, once the peer has shown its certificate.
    server.on(server instanceof SecureServer ? "secureConnection" : "connection", (socket: Socket) => {
      void this.#greet(socket);
    });
    // With TLS that is before a handshake, which may never end.
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    // It keeps nobody from ending: its coordinator's servers do.
    server.unref();
  }

  /** Opens one for this machine. @returns undefined if the folder takes no sockets */
  static async inFolder(folder: string): Promise<RoundHall | undefined> {
    const name = laneName();
    const path = join(folder, name);
    const server = socketServer(null);
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen({ path, readableAll: false, writableAll: false }, resolve);
      });
    } catch {
      return undefined;
    }
    return new RoundHall(server, name, path);
  }

  /**
   * Opens one for workers of other machines.
   * @param address HOST:PORT; port 0 takes a free one
   * @param tls files of this process; null: nothing is encrypted, and a slice's token is all that is asked for
   * @throws InputError if the address cannot be bound
   */
  static async listen(address: string, tls: TlsSettings | null): Promise<RoundHall> {
    const server = socketServer(tls);
    try {
      const port = await listenOn(server, address);
      return new RoundHall(server, String(port), undefined);
    } catch (cause) {
      throw new InputError(
        `cannot listen on ${address} for rounds: ${DeqfleetError.messageOf(cause)}; is the port in use? Choose another --rounds address`,
        { cause },
      );
    }
  }

  async #greet(socket: Socket): Promise<void> {
    if (this.#strangers >= mostStrangers) {
      socket.destroy();
      return;
    }
    this.#strangers++;
    // In all, however they drip.
    const limit = setTimeout(() => socket.destroy(), greetingMilliseconds);
    const frames = new Frames(socket);
    const greeting = await frames.next();
    clearTimeout(limit);
    this.#strangers--;
    if (!greeting) return;
    const token = Buffer.from(greeting).toString("utf8");
    // A token is used once; a second follower, or a stranger, learns nothing.
    if (!this.#announced.has(token) || this.#announced.get(token)) {
      socket.destroy();
      return;
    }
    keepAlive(socket);
    this.#announced.set(token, new RoundSocket(frames, commandCodec, eventCodec));
    frames.write(new Uint8Array());
  }

  /** A slice is about to be opened: whoever names its token may come. */
  announce(token: string): void {
    this.#announced.set(token, undefined);
  }

  /** The connection of the worker that came for a slice, undefined if none did. The slice is announced no more. */
  take(token: string): CommandSocket | undefined {
    const socket = this.#announced.get(token);
    this.#announced.delete(token);
    return socket;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    if (this.#path === undefined) return;
    try {
      unlinkSync(this.#path);
    } catch {
      // Node removes the name of a socket that it closes.
    }
  }
}
