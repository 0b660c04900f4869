import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import LongFirst from "./test/long-first.js";

export default defineConfig({
  test: {
    include: ["{bench,cli,coordinator,shared,worker,test}/**/*.test.ts"],
    // Tests that span processes start the built program.
    globalSetup: ["test/build-once.ts"],
    // What runs find out about this machine stays out of its user's cache.
    env: { XDG_CACHE_HOME: join(tmpdir(), `deqfleet-tests-${process.pid}`) },
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters: ["default", "./test/count-reporter.ts"],
    sequence: { sequencer: LongFirst },
    pool: "forks",
    maxWorkers: 2,
  },
});
