// Prints the path of the nats-server that tests and benchmarks start.
import { printGoProgram } from "./go-program.js";

/** Work queues of several replicas lost dead-lettered messages before. */
const oldest = [2, 14];

printGoProgram({
  name: "nats-server",
  variable: "NATS_SERVER",
  module: "github.com/nats-io/nats-server/v2",
  version: "v2.15.2",
  suits: (text) => {
    const [major, minor] = (/v(\d+)\.(\d+)/.exec(text) ?? []).slice(1).map(Number);
    return major > oldest[0] || (major === oldest[0] && minor >= oldest[1]);
  },
});
