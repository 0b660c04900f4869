import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{bench,cli,coordinator,shared,worker,test}/**/*.test.ts"],
    // Tests that span processes start the built program.
    globalSetup: ["test/build-once.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters: ["default", "./test/count-reporter.ts"],
    pool: "forks",
    maxWorkers: 2,
  },
});
