/** Local workers whose rounds take their time on the way, as if they were on other machines. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import type { Fleet } from "../coordinator/fleet.js";
import { startLocalFleet } from "../coordinator/local-fleet.js";
import { median } from "./table.js";

/** Started workers. */
export interface DistantFleet extends Pick<Fleet, "host" | "close"> {
  /** Milliseconds of a round trip, as measured: timers are late. */
  readonly roundTrip: number;
}

/** What a byte takes there and back between two sockets of this process, the median of some. */
async function measureRoundTrip(): Promise<number> {
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on("data", (bytes) => socket.write(bytes));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1" });
  socket.setNoDelay(true);
  await once(socket, "connect");
  const found: number[] = [];
  for (let i = 0; i < 50; i++) {
    const sent = performance.now();
    socket.write("x");
    await once(socket, "data");
    found.push(performance.now() - sent);
  }
  socket.destroy();
  server.close();
  return median(found);
}

/** @param roundTrip milliseconds that a message and its answer spend on the way */
export async function startDistantFleet(
  options: { readonly workers: number; readonly modelPath: string; readonly signal: AbortSignal },
  roundTrip: number,
): Promise<DistantFleet> {
  const hook = new URL("hold-back.js", import.meta.url).href;
  // Of the workers that are started from here on, and of this process.
  process.env.DEQFLEET_BENCH_HOLD_BACK = String(roundTrip / 2);
  process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ""} --import=${hook}`;
  await import(hook);
  const fleet = await startLocalFleet({ ...options, threads: 1, lanes: false });
  return { host: fleet.host, close: fleet.close, roundTrip: await measureRoundTrip() };
}
