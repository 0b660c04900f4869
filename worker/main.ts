/**
 * A worker process started by a local supervisor. It lives exactly as long as its parent: when the IPC channel closes,
 * however the parent ended, it kills itself at once (a plain exit would wait for a network run to finish).
 */
import { parseArgs } from "node:util";
import type { WorkerAnnouncement } from "./worker-process.js";

const announce = (message: WorkerAnnouncement, sent: () => void = () => {}): void => {
  process.send?.(message, sent);
};

const die = () => process.kill(process.pid, "SIGKILL");
process.on("disconnect", die);
// The parent may have ended while this program was being loaded.
if (process.send && !process.connected) die();
// Ctrl-C in a terminal reaches the whole process group; whether to stop is the parent's decision.
process.on("SIGINT", () => {});

// Loaded only now: until the watch over the parent stands, its end would go unnoticed.
const { DeqfleetError } = await import("../shared/errors.js");
const { deviceSchema } = await import("../shared/config/device-options.js");
const { EngineThread } = await import("./engine-thread.js");
const { serveWorker } = await import("./server.js");

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    threads: { type: "string", default: "1" },
    device: { type: "string", default: "cpu" },
    listen: { type: "string", default: "127.0.0.1:0" },
    "lane-folder": { type: "string" },
    "batch-pictures": { type: "string" },
    "batch-pixels": { type: "string" },
  },
});

const { "batch-pictures": pictures, "batch-pixels": pixels } = values;

try {
  const engine = await EngineThread.start({
    modelPath: values.model ?? "",
    threads: Number(values.threads),
    device: deviceSchema.parse(values.device),
    laneFolder: values["lane-folder"],
    batch: pictures && pixels ? { pictures: Number(pictures), pixels: Number(pixels) } : undefined,
  });
  const server = await serveWorker(engine, values.listen);
  process.on("SIGTERM", () => {
    void server.close().finally(() => process.exit(0));
  });
  announce({ type: "listening", port: server.port });
} catch (error) {
  const kind = error instanceof DeqfleetError ? error.kind : "fatal";
  announce({ type: "unusable", kind, message: DeqfleetError.messageOf(error) }, () => process.exit(1));
}
