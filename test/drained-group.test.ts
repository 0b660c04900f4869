/** A cut item that failed because its workers were told to stop is given back as if it had not been tried. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MemberPool } from "../coordinator/fleet/member-pool.js";
import { itemRestoration } from "../coordinator/jobs/item-restoration.js";
import { PrefixScan } from "../coordinator/solver/prefix-scan.js";
import { WorkerChannel } from "../coordinator/wire/worker-channel.js";
import type { Slice } from "../shared/chain/slice-host.js";
import { RetryableError, ReturnedError } from "../shared/errors.js";
import { LocatedFiles } from "../shared/restore/located-files.js";
import { openStore } from "../shared/storage/open-store.js";
import { SliceEngine } from "../worker/engine/slice-engine.js";
import { FakeWorker } from "./fake-worker.js";
import { jobRecord, workItem } from "./job-samples.js";
import { smallPicture, temporaryFolder } from "./small-pictures.js";
import { smoothToy } from "./toy-networks.js";

const never = new AbortController().signal;
const names = ["a", "b"];

let scan: PrefixScan;
let worker: FakeWorker;
const channels = new Map<string, WorkerChannel>();
beforeAll(async () => {
  scan = new PrefixScan();
  worker = await FakeWorker.listen({});
  for (const name of names) channels.set(name, await WorkerChannel.connect(worker.address));
});
afterAll(async () => {
  for (const channel of channels.values()) channel.close();
  worker.close();
  await scan.release();
});

/** Two workers whose slices are computed here, and one picture whose chain is cut over them. */
async function cutItem() {
  const gone = new Map<WorkerChannel, RetryableError>();
  const engine = new SliceEngine(smoothToy(0.8), { threads: 1 });
  const pool = new MemberPool({
    openSlice: async (spec, channel): Promise<Slice> => {
      const refuse = () => {
        const reason = gone.get(channel);
        if (reason) throw reason;
      };
      refuse();
      const slice = await engine.open(spec);
      return {
        round: async (command) => {
          refuse();
          return slice.round(command);
        },
        serial: () => slice.serial(),
        readState: (which) => slice.readState(which),
        give: (run) => slice.give(run),
        recut: (range) => slice.recut(range),
        close: () => slice.close(),
      };
    },
    replacementMilliseconds: 50,
  });
  for (const name of names) {
    const channel = channels.get(name) as WorkerChannel;
    const batch = { pictures: 4, pixels: 4 * 64 * 64 };
    pool.join({ name, channel, batch, costs: [], joinedAt: new Date(0) });
  }
  const folder = await temporaryFolder();
  const item = workItem(1);
  await smallPicture(join(folder, item.key), { width: 8, height: 8 });
  const { spec, ...record } = jobRecord("cut");
  const files = new LocatedFiles(openStore);
  const uri = pathToFileURL(folder).href;
  const restoration = {
    ...spec.restoration,
    simulate: true,
    steps: 8,
    tol: 1e-9,
    plan: "time-parallel" as const,
  };
  const job = { ...record, spec: { ...spec, input: uri, output: uri, model: "fake", restoration } };
  const { restore } = itemRestoration({ pool, files, scan })(job, undefined, () => 1);
  /** @param strike what happens after the second round */
  const failed = async (strike: () => void): Promise<unknown> => {
    const onRound = (round: number) => {
      if (round === 2) strike();
    };
    const how = { alone: false, onBegin: () => {}, onRound, signal: never };
    const error = await restore(item, how).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    await files.close();
    return error;
  };
  const lose = (name: string, reason: RetryableError) =>
    gone.set(channels.get(name) as WorkerChannel, reason);
  return { pool, failed, lose };
}

describe("a cut item", () => {
  it("is returned if its workers were told to stop, though one is forgotten already when the last one fails", async () => {
    const { pool, failed, lose } = await cutItem();
    const error = await failed(() => {
      pool.drain("a");
      lose("a", new ReturnedError("the worker is draining"));
      pool.remove("a", "it has stopped");
      lose("b", new RetryableError("b was lost"));
    });
    expect(error).toBeInstanceOf(ReturnedError);
  });

  it("has failed a try if its workers died", async () => {
    const { failed, lose } = await cutItem();
    const error = await failed(() => {
      for (const name of names) lose(name, new RetryableError(`${name} was lost`));
    });
    expect(error).toBeInstanceOf(RetryableError);
    expect(error).not.toBeInstanceOf(ReturnedError);
  });

  it("is restored if the other worker is left", async () => {
    const { pool, failed, lose } = await cutItem();
    const error = await failed(() => {
      pool.drain("b");
      lose("b", new ReturnedError("the worker is draining"));
    });
    expect(error).toBeUndefined();
  });
});
