/** A fleet without processes: the real network and the real engine, in this thread. */
import { fileURLToPath } from "node:url";
import type { Fleet } from "../coordinator/fleet.js";
import type { SliceHost } from "../shared/chain/slice-host.js";
import { packageRoot } from "../shared/package-root.js";
import { LocatedFiles } from "../shared/restore/located-files.js";
import { openStore } from "../shared/storage/open-store.js";
import { OnnxNetwork } from "../worker/engine/network.js";
import { SliceEngine } from "../worker/engine/slice-engine.js";
import { InProcessHost } from "../worker/in-process-host.js";
import { WholePictures } from "../worker/pictures/whole-pictures.js";

/** The packaged prior. */
export const priorPath = fileURLToPath(new URL("models/prior.onnx", packageRoot));

let loading: Promise<OnnxNetwork> | undefined;

/** The prior, loaded once a process. */
const loadPrior = (): Promise<OnnxNetwork> => {
  loading ??= OnnxNetwork.load(priorPath, { threads: 1 });
  return loading;
};

/** A fleet and whether it has been closed. */
export interface InProcessFleet extends Fleet {
  readonly closed: boolean;
}

/**
 * `width` workers of one engine.
 * @param around wraps the host, e.g. to lose slices
 */
export async function inProcessFleet(
  width: number,
  around: (host: SliceHost) => SliceHost = (host) => host,
): Promise<InProcessFleet> {
  const network = await loadPrior();
  const host = around(new InProcessHost(new SliceEngine(network, { threads: 1 }), width));
  const pictures = Array.from(
    { length: width },
    (_, worker) =>
      new WholePictures({
        network: network.card,
        files: new LocatedFiles(openStore),
        // By way of the host, so that whole chains are lost like others.
        solve: async (chain, signal) => {
          const spec = { chain, begin: 0, end: chain.schedule.steps, seeds: undefined };
          const slice = await host.open(spec, worker, signal);
          return slice.serial(signal).finally(() => slice.close());
        },
      }),
  );
  let closed = false;
  return {
    host,
    network: network.card,
    restore: async (worker, picture, signal) => (await pictures[worker].restore(picture, signal)).restored,
    workers: () =>
      Array.from({ length: width }, (_, index) => ({
        name: `worker-${index + 1}`,
        pid: process.pid,
        address: "in-process",
        device: "cpu",
        threads: 1,
        version: "test",
        restarts: 0,
      })),
    close: async () => {
      closed = true;
    },
    get closed() {
      return closed;
    },
  };
}
