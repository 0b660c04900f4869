/**
 * A TCP relay that can cut the network: while it is cut no byte passes, in either direction, and nothing is closed, so that
 * both ends see what they would see of a pulled cable. Afterwards what was held back passes, as TCP would send it again.
 */

import type { AddressInfo } from "node:net";
import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** A listening relay. */
export interface CutProxy {
  /** Where it listens, on 127.0.0.1. */
  readonly port: number;
  /** Where new connections go from now on: a server that was started again may have another port. */
  retarget(port: number): void;
  /** Cuts the network for a while. */
  cut(milliseconds: number): Promise<void>;
  close(): Promise<void>;
}

export async function startCutProxy(targetPort: number): Promise<CutProxy> {
  let target = targetPort;
  let isCut = false;
  const pairs = new Set<readonly [Socket, Socket]>();
  const server: Server = createServer((near) => {
    // A connection asked for during a cut is made after it: its first packet is sent again.
    const far = connect({ port: target, host: "127.0.0.1" });
    const pair = [near, far] as const;
    pairs.add(pair);
    for (const [from, to] of [pair, [far, near] as const]) {
      from.on("data", (bytes) => {
        if (!to.write(bytes)) from.pause();
      });
      to.on("drain", () => {
        if (!isCut) from.resume();
      });
      from.on("end", () => to.end());
      from.on("error", () => to.destroy());
      from.on("close", () => {
        to.destroy();
        pairs.delete(pair);
      });
    }
    if (isCut) for (const socket of pair) socket.pause();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    retarget: (port) => {
      target = port;
    },
    cut: async (milliseconds) => {
      isCut = true;
      for (const pair of pairs) for (const socket of pair) socket.pause();
      await delay(milliseconds);
      isCut = false;
      for (const pair of pairs) for (const socket of pair) socket.resume();
    },
    close: async () => {
      for (const pair of pairs) for (const socket of pair) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
