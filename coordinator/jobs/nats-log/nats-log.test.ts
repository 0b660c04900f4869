import { afterAll, beforeAll, describe } from "vitest";
import { natsSettingsSchema } from "../../../shared/config/nats-settings.js";
import { jobLogConformance } from "../../../test/job-log-conformance.js";
import type { LogPlace } from "../../../test/job-log-process.js";
import { type NatsServer, startNatsServer } from "../../../test/nats-server.js";

let server: NatsServer;
let places = 0;
beforeAll(async () => {
  server = await startNatsServer();
});
afterAll(() => server.close());

/** Streams of its own on the one server. */
const newPlace = async (): Promise<LogPlace> => ({
  kind: "nats",
  place: natsSettingsSchema.parse({ servers: [server.url], prefix: `test-${places++}` }),
});

describe("the NATS log", () => {
  jobLogConformance(newPlace, true);
});
