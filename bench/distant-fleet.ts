/** Local workers behind relays that take their time, as if they were on other machines. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { startLocalWorkers } from "../coordinator/local-workers.js";
import { ExchangeServer } from "../coordinator/wire/exchange-server.js";
import { GrpcSlice } from "../coordinator/wire/grpc-slice.js";
import { WorkerChannel } from "../coordinator/wire/worker-channel.js";
import type { SliceHost } from "../shared/chain/slice-host.js";
import type { RelayReply, RelayRequest } from "./delay-relay.js";
import { median } from "./table.js";

/** Started workers. */
export interface DistantFleet {
  readonly host: SliceHost;
  /** Milliseconds of a round trip through the relay, as measured: timers are late. */
  readonly roundTrip: number;
  close(): Promise<void>;
}

const portOf = (address: string) => Number(address.slice(address.lastIndexOf(":") + 1));

/** Has the relay lead to a port on this machine. @returns the port that leads there */
async function relayTo(relay: ChildProcess, target: number, milliseconds: number): Promise<number> {
  const request: RelayRequest = { target, milliseconds };
  relay.send(request);
  for (;;) {
    const [reply]: RelayReply[] = await once(relay, "message");
    if (reply.target === target) return reply.port;
  }
}

/** What a byte takes there and back, the median of some. */
async function measureRoundTrip(relay: ChildProcess, milliseconds: number): Promise<number> {
  const server = createServer((socket) => socket.setNoDelay(true).pipe(socket)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const port = await relayTo(relay, (server.address() as AddressInfo).port, milliseconds);
  const socket = connect({ port, host: "127.0.0.1" }).setNoDelay(true);
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
  const relay = fork(fileURLToPath(new URL("delay-relay.js", import.meta.url)));
  const oneWay = roundTrip / 2;
  const local = await startLocalWorkers({ ...options, threads: 1, lanes: false });
  const server = await ExchangeServer.listen("127.0.0.1:0");
  const exchangePort = await relayTo(relay, portOf(server.address), oneWay);
  await server.openRounds("127.0.0.1:0", null);
  const hall = server.rounds!.hall;
  const rounds = { hall, address: `127.0.0.1:${await relayTo(relay, Number(hall.name), oneWay)}` };
  const exchange = {
    rounds,
    address: `127.0.0.1:${exchangePort}`,
    announce: (token: string) => server.announce(token),
    withdraw: (token: string) => server.withdraw(token),
    laneHall: (folder: string) => server.laneHall(folder),
  };
  const channels: WorkerChannel[] = [];
  for (const worker of local.workers) {
    const { address } = await worker.channel();
    const port = await relayTo(relay, portOf(address), oneWay);
    channels.push(await WorkerChannel.connect(`127.0.0.1:${port}`));
  }
  return {
    host: {
      width: channels.length,
      open: (spec, index, signal) =>
        GrpcSlice.open(spec, channels[index % channels.length], exchange, local.timeouts, undefined, signal),
    },
    roundTrip: await measureRoundTrip(relay, oneWay),
    close: async () => {
      for (const channel of channels) channel.close();
      server.close();
      await local.close();
      relay.disconnect();
    },
  };
}
