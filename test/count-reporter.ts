/**
 * Ends a run with one line that a gate can read: N passed, N failed, N skipped. Before it stands, a line each, what failed: of a long run
 * often only the end is kept.
 */
import type { Reporter, SerializedError, TestModule } from "vitest/node";

export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const failures: string[] = [];
    const fail = (what: string): void => {
      counts.failed++;
      failures.push(what);
    };
    for (const module of modules) {
      const file = module.relativeModuleId;
      // A file that cannot be loaded has no tests to fail.
      for (const { message } of module.errors().slice(0, 1)) fail(`${file}: ${message.split("\n")[0]}`);
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === "failed") fail(`${file} > ${test.fullName}`);
        // Its process ended before it did.
        else if (state === "pending") fail(`${file} > ${test.fullName}: never ended`);
        else counts[state]++;
      }
    }
    for (const { message } of errors) fail(`outside of tests: ${message.split("\n")[0]}`);
    // Standard output may be a pipe; the other reporters write synchronously too.
    process.on("exit", () => {
      for (const failure of failures) process.stdout.write(`FAILED ${failure}\n`);
      process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
    });
  }
}
