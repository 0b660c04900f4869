import { afterAll, beforeAll, describe } from "vitest";
import { natsSettingsSchema } from "../../../shared/config/nats-settings.js";
import { dockerRuns } from "../../../test/docker.js";
import { jobLogConformance } from "../../../test/job-log-conformance.js";
import type { LogPlace } from "../../../test/job-log-process.js";
import { startNatsContainer } from "../../../test/nats-container.js";
import { startNatsServer } from "../../../test/nats-server.js";

const inContainer = dockerRuns();
let server: { readonly url: string; close(): Promise<void> };
let places = 0;
beforeAll(async () => {
  server = await (inContainer ? startNatsContainer() : startNatsServer());
});
afterAll(() => server.close());

/** Streams of its own on the one server. */
const newPlace = async (): Promise<LogPlace> => ({
  kind: "nats",
  place: natsSettingsSchema.parse({ servers: [server.url], prefix: `test-${places++}` }),
});

describe(`the NATS log, on a server ${inContainer ? "in a container" : "beside it"}`, () => {
  jobLogConformance(newPlace, true);
});
