// Loaded into a program with --import, in all of its threads. SIGUSR2: its clock jumps forth or back by an hour, as after a
// wrong time server. SIGWINCH: its engine thread ends, as after a fault of the runtime that leaves the process alive.
import { BroadcastChannel, isMainThread } from "node:worker_threads";

const hour = 3600_000;
let shift = 0;
let sign = 1;
const RealDate = Date;
const realNow = Date.now.bind(Date);

globalThis.Date = class extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(realNow() + shift);
    else super(...args);
  }

  static now() {
    return realNow() + shift;
  }
};

const channel = new BroadcastChannel("inner-faults");
channel.unref();
if (isMainThread) {
  process.on("SIGUSR2", () => {
    shift += sign * hour;
    sign = -sign;
  });
  process.on("SIGWINCH", () => channel.postMessage("end"));
} else {
  // Heard between two runs of the network. In a thread this ends the thread alone.
  channel.onmessage = () => process.exit(1);
}
