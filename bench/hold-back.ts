/**
 * A network that is far away, where the kernel has no `netem`: loaded before anything else (`node --import`), it has a process hold
 * back what it writes to TCP connections for `DEQFLEET_BENCH_HOLD_BACK` milliseconds. HTTP/2 writes past it: rounds are held
 * back, which have sockets of their own, and the opening of slices is not.
 */
import { Socket } from "node:net";

/** Milliseconds that bytes spend on the way, each way. */
const milliseconds = Number(process.env.DEQFLEET_BENCH_HOLD_BACK ?? 0);

if (milliseconds > 0) {
  const write = Socket.prototype.write;
  // Timers of one length fire in the order they were set: bytes keep theirs.
  Socket.prototype.write = function (this: Socket, ...given: unknown[]): boolean {
    if (this.remotePort === undefined) return Reflect.apply(write, this, given);
    setTimeout(() => {
      if (!this.destroyed) Reflect.apply(write, this, given);
    }, milliseconds);
    return true;
  };
}
