import { afterEach, describe, expect, it } from "vitest";
import { FatalError } from "../shared/errors.js";
import { insecureTransport } from "../shared/security/transport-security.js";
import type { Heartbeat } from "../shared/wire/generated/deqfleet/v1/Heartbeat.js";
import { FakeRegistry, type RegistryScript } from "../test/fake-registry.js";
import { becomesTrue } from "../test/processes.js";
import { keepMembership, type MembershipOptions } from "./membership.js";

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function registry(script: RegistryScript, host?: string, port?: number): Promise<FakeRegistry> {
  const fake = await FakeRegistry.listen(script, host, port);
  closing.push(() => fake.close());
  return fake;
}

const accepts =
  (silenceMilliseconds = 60_000): RegistryScript =>
  (_, index) =>
    index === 0 ? { accepted: { heartbeatMilliseconds: 20, silenceMilliseconds } } : { heard: {} };
const refuses = (permanent: boolean) => () => ({ refused: { reason: "we do not want you", permanent } });

/** Looks for a coordinator; returns what it has told so far. */
function member(coordinators: readonly string[], more: Partial<MembershipOptions> = {}) {
  const said: string[] = [];
  const leave = new AbortController();
  closing.push(() => leave.abort(new Error("the test is over")));
  const kept = keepMembership({
    coordinators,
    security: insecureTransport,
    registration: () => ({ name: "w" }),
    heartbeat: () => ({ draining: false, holds: 3 }),
    leave: leave.signal,
    // Pauses of half a length.
    random: () => 0,
    observer: {
      joined: (coordinator) => said.push(`joined ${coordinator}`),
      lost: (coordinator, reason) => said.push(`lost ${coordinator}: ${reason}`),
      failed: (coordinator, reason) => said.push(`failed ${coordinator}: ${reason}`),
    },
    ...more,
  });
  kept.catch(() => {});
  return { said, leave, kept, says: (n: number) => becomesTrue(20_000, () => said.length >= n) };
}

/** An address nobody listens on. */
async function deadAddress(): Promise<string> {
  const fake = await FakeRegistry.listen(() => undefined);
  fake.close();
  return fake.address;
}

describe("a worker looking for a coordinator", () => {
  it("takes the first that wants it, in the order given", async () => {
    const dead = await deadAddress();
    const busy = await registry(refuses(false));
    const good = await registry(accepts());
    const other = await registry(accepts());
    const { said, says } = member([dead, busy.address, good.address, other.address]);
    expect(await says(3)).toBe(true);
    expect(said).toEqual([
      expect.stringMatching(new RegExp(`^failed ${dead}: .*ECONNREFUSED`)),
      `failed ${busy.address}: we do not want you`,
      `joined ${good.address}`,
    ]);
    expect(await becomesTrue(5000, () => good.messages.length > 3)).toBe(true);
    expect(good.messages[1].heartbeat).toMatchObject({ draining: false, holds: 3 });
    expect(other.registrations).toEqual([]);
  });

  it("goes on to the next when the call breaks, and comes back to the first when it has to", async () => {
    const first = await registry(accepts());
    const second = await registry((message, index) => (index < 3 ? accepts()(message, index) : "hang up"));
    const { said, says } = member([first.address, second.address]);
    expect(await says(1)).toBe(true);
    first.close();
    expect(await says(4)).toBe(true);
    expect(said.slice(0, 4)).toEqual([
      `joined ${first.address}`,
      expect.stringContaining(`lost ${first.address}`),
      `joined ${second.address}`,
      `lost ${second.address}: it ended the call`,
    ]);
    expect(await says(6)).toBe(true);
    expect(said[4]).toContain(`failed ${first.address}`);
    expect(said[5]).toBe(`joined ${second.address}`);
  });

  it("gives up a coordinator that falls silent", async () => {
    const silent = await registry((message, index) => (index === 0 ? accepts(200)(message, 0) : undefined));
    const { said, says } = member([silent.address]);
    expect(await says(2)).toBe(true);
    expect(said[1]).toBe(`lost ${silent.address}: nothing was heard of it for 0.2 s`);
  });

  it("tries every address of a name", async () => {
    const good = await registry(accepts(), "127.0.0.3");
    const port = Number(good.address.split(":")[1]);
    const { said, says } = member([`coordinators.example:${port}`], {
      resolve: async (host) => (host === "coordinators.example" ? ["127.0.0.2", "127.0.0.3"] : []),
    });
    expect(await says(2)).toBe(true);
    expect(said[0]).toContain(`failed 127.0.0.2:${port}`);
    expect(said[1]).toBe(`joined ${good.address}`);
  });

  it("goes on looking while a name is not known or a refusal is not for good", async () => {
    const never = await registry(refuses(true));
    const { said, says, leave, kept } = member([never.address, "nowhere.example:1"], {
      resolve: () => Promise.reject(new Error("ENOTFOUND nowhere.example")),
    });
    expect(await says(4)).toBe(true);
    expect(said[0]).toBe("failed nowhere.example:1: ENOTFOUND nowhere.example");
    leave.abort();
    await kept;
  });

  it("gives up when everybody refuses it for good", async () => {
    const [one, two] = [await registry(refuses(true)), await registry(refuses(true))];
    const { kept } = member([one.address, two.address]);
    await expect(kept).rejects.toThrow(FatalError);
    await expect(kept).rejects.toThrow("no coordinator takes this worker: we do not want you");
  });
});

describe("a worker that leaves", () => {
  it("ends its call properly", async () => {
    const good = await registry(accepts());
    const { says, leave, kept, said } = member([good.address]);
    expect(await says(1)).toBe(true);
    leave.abort();
    await kept;
    expect(good.ended).toBe(1);
    expect(said).toHaveLength(1);
  });

  it("can tell news before the next heartbeat is due", async () => {
    const good = await registry((message, index) =>
      index === 0
        ? { accepted: { heartbeatMilliseconds: 60_000, silenceMilliseconds: 60_000 } }
        : accepts()(message, 1),
    );
    const state: Heartbeat = { draining: true, holds: 1 };
    const { kept, leave } = member([good.address], {
      heartbeat: () => state,
      observer: { joined: (_, call) => call.beat(), lost: () => {}, failed: () => {} },
    });
    expect(await becomesTrue(5000, () => good.messages.length === 2)).toBe(true);
    expect(good.messages[1].heartbeat).toMatchObject({ draining: true, holds: 1 });
    leave.abort();
    await kept;
  });
});
