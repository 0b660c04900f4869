/**
 * A process that relays TCP connections and holds every byte back for a while, in either direction: a network that is far
 * away, where the kernel has no `netem`. Its parent names a target and is told the port that leads there.
 */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** What the parent asks for. */
export interface RelayRequest {
  /** Port on 127.0.0.1. */
  readonly target: number;
  /** Each way. */
  readonly milliseconds: number;
}

/** Where the relay to a target listens, on 127.0.0.1. */
export interface RelayReply {
  readonly target: number;
  readonly port: number;
}

/** Bytes keep their order, and so does the end of the stream: timers of one length fire in the order they were set. */
function holdBack(from: Socket, to: Socket, milliseconds: number): void {
  from.setNoDelay(true);
  from.on("data", (bytes) => setTimeout(() => to.write(bytes), milliseconds));
  from.on("end", () => setTimeout(() => to.end(), milliseconds));
  for (const end of ["error", "close"]) from.on(end, () => setTimeout(() => to.destroy(), milliseconds));
}

process.on("message", ({ target, milliseconds }: RelayRequest) => {
  const server = createServer((near) => {
    const far = connect({ port: target, host: "127.0.0.1" });
    holdBack(near, far, milliseconds);
    holdBack(far, near, milliseconds);
  });
  server.listen(0, "127.0.0.1", () => {
    const reply: RelayReply = { target, port: (server.address() as AddressInfo).port };
    process.send?.(reply);
  });
});
process.on("disconnect", () => process.exit());
