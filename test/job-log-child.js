// A process that uses a job log as its parent tells it to. Argument: what to open, as JSON; see job-log-process.ts.
import { EmbeddedLog } from "../dist/coordinator/jobs/embedded-log/embedded-log.js";
import { NatsLog } from "../dist/coordinator/jobs/nats-log/nats-log.js";

const { kind, place, options } = JSON.parse(process.argv[2]);
const log = await (kind === "embedded" ? EmbeddedLog : NatsLog).open(place, options);
const { signal } = new AbortController();
const taken = [];

const calls = {
  create: (job) => log.create(job),
  /** Functions do not cross processes: `patch` is merged into the job. */
  update: (name, patch) => log.update(name, (job) => ({ ...job, ...patch })),
  /** Adds one to `listed`. */
  increment: (name) => log.update(name, (job) => ({ ...job, listed: job.listed + 1 })),
  publish: (name, items) => log.publish(name, items),
  take: async (name, max, waitMilliseconds) => {
    const items = await log.take(name, max, { waitMilliseconds, signal });
    return items.map((item) => ({ item: item.item, delivery: item.delivery, handle: taken.push(item) - 1 }));
  },
  settle: (handle) => taken[handle].settle(),
  record: (name, outcome) => log.record(name, outcome),
  /** Records outcomes from number `from` on until the process ends; says after each that it is durable. */
  recordOn: async (name, from, outcome) => {
    for (let index = from; ; index++) {
      await log.record(name, { ...outcome, index });
      process.send({ recorded: index });
    }
  },
  bury: (name, letter) => log.bury(name, letter),
  exhume: (name, indices) => log.exhume(name, indices),
  purge: (name) => log.purge(name),
  hold: async (name) => {
    const held = await log.hold(name);
    held?.lost.addEventListener("abort", () => process.send({ lost: name }));
    return held !== undefined;
  },
};

process.on("message", ({ id, call, args }) => {
  calls[call](...args).then(
    (result) => process.send({ id, result }),
    (error) => process.send({ id, error: error.message }),
  );
});
process.on("disconnect", () => process.exit());
process.send({ ready: true });
