import { setTimeout as delay, setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Slice, SliceSpec } from "../../shared/chain/slice-host.js";
import { FatalError, RetryableError } from "../../shared/errors.js";
import type { CostPoint } from "../../shared/fleet/cost-point.js";
import { FakeWorker } from "../../test/fake-worker.js";
import { never } from "../../test/fleet-fixture.js";
import { toyChain } from "../../test/toy-chain.js";
import { WorkerChannel } from "../wire/worker-channel.js";
import { MemberPool } from "./member-pool.js";
import type { SliceGroup } from "./worker-pool.js";
import { picturesAhead } from "./worker-slots.js";

const spec: SliceSpec = {
  chain: toyChain({ steps: 2, method: "secant" }),
  begin: 0,
  end: 1,
  seeds: undefined,
};
const model = "fake";
const batch = { pictures: 4, pixels: 4 * 64 * 64 };
/** Whole pictures that an idle worker takes. */
const each = batch.pictures + picturesAhead;

let worker: FakeWorker;
beforeEach(async () => {
  worker = await FakeWorker.listen({});
});
const channels: WorkerChannel[] = [];
afterEach(() => {
  for (const channel of channels.splice(0)) channel.close();
  worker.close();
});

/** A pool whose slices do nothing; notes where they are opened, and fails where it is told to. */
class Scene {
  /** Channels in the order in which slices were opened on them. */
  readonly opened: string[] = [];
  readonly failing = new Set<string>();
  readonly names = new Map<WorkerChannel, string>();
  readonly pool: MemberPool;

  constructor(replacementMilliseconds?: number) {
    const openSlice = async (_: SliceSpec, channel: WorkerChannel): Promise<Slice> => {
      const name = this.names.get(channel) ?? "?";
      if (this.failing.has(name)) throw new RetryableError(`${name} does not answer`);
      this.opened.push(name);
      const unused = () => Promise.reject(new Error("nobody computes here"));
      const calls = { round: unused, serial: unused, readState: unused, give: unused, recut: unused };
      return { ...calls, close: async () => {} };
    };
    this.pool = new MemberPool({ openSlice, replacementMilliseconds });
  }

  join(...names: string[]): Promise<void> {
    return this.joinMeasured([], ...names);
  }

  /** @param costs what each has measured */
  async joinMeasured(costs: readonly CostPoint[], ...names: string[]): Promise<void> {
    for (const name of names) {
      const channel = await WorkerChannel.connect(worker.address);
      channels.push(channel);
      this.names.set(channel, name);
      this.pool.join({ name, channel, batch, costs, joinedAt: new Date(0) });
    }
  }

  /** Opens slice `index`, and again where it could not be; says where it is. */
  async openOn(group: SliceGroup, index: number): Promise<string | undefined> {
    await group.host.open(spec, index, never).catch(() => group.host.open(spec, index, never));
    return this.opened.at(-1);
  }
}

const group = (scene: Scene, slices: number) => scene.pool.acquireGroup({ model, slices, signal: never });

describe("the pace of a group's workers", () => {
  const call = (batch: number, side: number, seconds: number): CostPoint => ({
    ...{ batch, seconds, calls: 3 },
    ...{ height: side, width: side },
  });
  const canvas = { height: 64, width: 64 };

  it("is what they measured, of the size that is nearest, in the largest call", async () => {
    const scene = new Scene();
    await scene.joinMeasured([call(1, 64, 0.1), call(4, 64, 0.2), call(8, 256, 99)], "fast");
    await scene.joinMeasured([call(2, 32, 0.1)], "slow");
    await scene.join("unknown");
    const { host } = await group(scene, 3);
    expect([0, 1, 2].map((worker) => host.pace?.(worker, canvas))).toEqual([0.05, 0.2, undefined]);
  });
});

describe("whole pictures", () => {
  it("count on their worker until their lease is released, however often", async () => {
    const scene = new Scene();
    await scene.join("a");
    let changes = 0;
    const unsubscribe = scene.pool.onChange(() => changes++);
    const lease = await scene.pool.acquire({ model, alone: false, signal: never });
    expect(lease.worker).toBe("a");
    expect(scene.pool.members()[0]).toMatchObject({ state: "serving", holds: { pictures: 1, slices: 0 } });
    expect(scene.pool.capacity(model)).toBe(each - 1);
    lease.release();
    lease.release();
    expect(scene.pool.members()[0].holds.pictures).toBe(0);
    expect(scene.pool.capacity(model)).toBe(each);
    expect(changes).toBe(2);
    unsubscribe();
    (await scene.pool.acquire({ model, alone: false, signal: never })).release();
    expect(changes).toBe(2);
  });

  it("hear at once that their worker is lost, with a reason to try elsewhere", async () => {
    const scene = new Scene();
    await scene.join("a", "b");
    const lease = await scene.pool.acquire({ model, alone: true, signal: never });
    const lost = new Promise((resolve) => lease.lost.addEventListener("abort", resolve));
    scene.pool.remove(lease.worker, "it fell silent");
    await lost;
    expect(lease.lost.reason).toBeInstanceOf(RetryableError);
    expect(lease.draining()).toBe(false);
    expect(lease.lost.reason).toMatchObject({ message: "worker a was lost: it fell silent" });
    expect(lease.channel.abandoned).toBe("it fell silent");
    // Whoever tries again gets the other one, and giving the lost place back does no harm.
    expect((await scene.pool.acquire({ model, alone: true, signal: never })).worker).toBe("b");
    lease.release();
    expect(scene.pool.capacity(model)).toBe(0);
  });

  it("are not given to a member that drains, which keeps what it has", async () => {
    const scene = new Scene();
    await scene.join("a");
    const lease = await scene.pool.acquire({ model, alone: false, signal: never });
    scene.pool.drain("a");
    expect(scene.pool.members()[0]).toMatchObject({ state: "draining", holds: { pictures: 1 } });
    expect(lease.lost.aborted).toBe(false);
    let given: string | undefined;
    void scene.pool.acquire({ model, alone: false, signal: never }).then(({ worker: name }) => {
      given = name;
    });
    lease.release();
    await turn();
    expect(given).toBeUndefined();
    await scene.join("b");
    await turn();
    expect(given).toBe("b");
  });

  it("know that their worker was told to stop, when it is gone as well", async () => {
    const scene = new Scene();
    await scene.join("a");
    const lease = await scene.pool.acquire({ model, alone: false, signal: never });
    expect(lease.draining()).toBe(false);
    scene.pool.drain("a");
    expect(lease.draining()).toBe(true);
    scene.pool.remove("a", "its grace time is over");
    expect([lease.lost.aborted, lease.draining()]).toEqual([true, true]);
  });

  it("a member that joins under the name of another replaces it", async () => {
    const scene = new Scene();
    await scene.join("a");
    const lease = await scene.pool.acquire({ model, alone: false, signal: never });
    await scene.join("a");
    expect(lease.lost.aborted).toBe(true);
    expect(scene.pool.members()).toHaveLength(1);
    expect(scene.pool.capacity(model)).toBe(each);
  });

  it("get the reason when nobody will ever join", async () => {
    const scene = new Scene();
    const waiting = scene.pool.acquire({ model, alone: false, signal: never });
    scene.pool.fail(new FatalError("every worker died 20 times"));
    await expect(waiting).rejects.toThrow("every worker died 20 times");
    await expect(group(scene, 2)).rejects.toThrow(FatalError);
    await expect(scene.pool.acquire({ model: "other", alone: true, signal: never })).rejects.toThrow(
      FatalError,
    );
  });
});

describe("the slices of a cut chain", () => {
  it("lie one on each worker of the group, and count there until they are closed", async () => {
    const scene = new Scene();
    await scene.join("a", "b", "c");
    const leased = await group(scene, 2);
    expect([leased.host.width, leased.workers()]).toEqual([2, ["a", "b"]]);
    expect(await scene.openOn(leased, 0)).toBe("a");
    const slice = await leased.host.open(spec, 1, never);
    expect(scene.pool.members().map(({ holds }) => holds.slices)).toEqual([1, 1, 0]);
    await slice.close();
    await slice.close();
    expect(scene.pool.members().map(({ holds }) => holds.slices)).toEqual([1, 0, 0]);
    // The third is free for others, and those of the group are afterwards.
    expect(scene.pool.capacity(model)).toBe(each);
    leased.release();
    expect(scene.pool.capacity(model)).toBe(3 * each);
  });

  it.each([
    ["is lost", (scene: Scene) => scene.pool.remove("a", "killed")],
    ["drains", (scene: Scene) => scene.pool.drain("a")],
    ["cannot be reached", (scene: Scene) => scene.failing.add("a")],
  ])("go to an idle worker where theirs %s", async (_, strike) => {
    const scene = new Scene();
    await scene.join("a", "b", "c");
    const leased = await group(scene, 2);
    strike(scene);
    expect(await scene.openOn(leased, 0)).toBe("c");
    expect([...leased.workers()].sort()).toEqual(["b", "c"]);
    expect(await scene.openOn(leased, 1)).toBe("b");
    // All are free again that may be given anything: the one that could not be reached is still a member.
    leased.release();
    const serving = scene.pool.members().filter(({ state }) => state === "serving").length;
    expect(scene.pool.capacity(model)).toBe(each * serving);
  });

  it("share a worker where none is idle, the one with the fewest first", async () => {
    const scene = new Scene();
    await scene.join("a", "b", "c");
    const leased = await group(scene, 3);
    scene.pool.remove("a", "killed");
    expect(await scene.openOn(leased, 0)).toBe("b");
    scene.pool.remove("b", "killed");
    expect(await scene.openOn(leased, 0)).toBe("c");
    expect(await scene.openOn(leased, 1)).toBe("c");
    expect(leased.workers()).toEqual(["c"]);
    // Given back once, though three slices were there.
    leased.release();
    expect(scene.pool.capacity(model)).toBe(each);
  });

  it("wait for a worker where none is left, and not for ever", async () => {
    const scene = new Scene(200);
    await scene.join("a");
    const leased = await group(scene, 1);
    scene.pool.remove("a", "killed");
    const opening = leased.host.open(spec, 0, never);
    await scene.join("b");
    await opening;
    expect(scene.opened).toEqual(["b"]);
    scene.pool.remove("b", "killed");
    const late = leased.host.open(spec, 0, never);
    await expect(late).rejects.toThrow(RetryableError);
    await expect(late).rejects.toThrow("no worker with model fake was free within 0.2 s");
    // Retries are told at once, and do not wait each their time.
    const again = leased.host.open(spec, 0, never).catch((error: unknown) => error);
    expect(await Promise.race([again, delay(150, "waits")])).toBeInstanceOf(RetryableError);
    await scene.join("c");
    expect(await scene.openOn(leased, 0)).toBe("c");
  });

  it("go all to the first worker that comes where none is left", async () => {
    const scene = new Scene();
    await scene.join("a", "b");
    const leased = await group(scene, 2);
    for (const name of ["a", "b"]) scene.pool.remove(name, "killed");
    const opening = [0, 1].map((index) => leased.host.open(spec, index, never));
    await scene.join("c");
    await Promise.all(opening);
    expect(scene.opened).toEqual(["c", "c"]);
    leased.release();
    expect(scene.pool.capacity(model)).toBe(each);
  });

  it("are opened again on their only worker if it is still there", async () => {
    const scene = new Scene();
    await scene.join("a");
    const leased = await group(scene, 1);
    scene.failing.add("a");
    await expect(leased.host.open(spec, 0, never)).rejects.toThrow("a does not answer");
    scene.failing.clear();
    expect(await scene.openOn(leased, 0)).toBe("a");
    leased.release();
    expect(scene.pool.capacity(model)).toBe(each);
  });
});
