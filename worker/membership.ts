/**
 * Keeps a worker a member of some coordinator's fleet: tries the addresses it knows one after the other, stays with the first
 * that takes it, and goes on to the next when that one is gone.
 */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { FatalError } from "../shared/errors.js";
import type { TransportSecurity } from "../shared/security/transport-security.js";
import { hostOf, portOf } from "../shared/wire/address.js";
import {
  type CallEnd,
  type CoordinatorAddress,
  callRegistry,
  type Membership,
  type OpenCall,
} from "./registry-call.js";

/** Pause after a round of all addresses in which none took the worker; it doubles with every such round. */
const firstPauseMilliseconds = 500;
const longestPauseMilliseconds = 15_000;

/** Told of what comes of the calls. */
export interface MembershipObserver {
  readonly joined: (coordinator: string, call: OpenCall) => void;
  /** It was a member, and is none any more. */
  readonly lost: (coordinator: string, reason: string) => void;
  /** A coordinator could not be reached, or refused. */
  readonly failed: (coordinator: string, reason: string) => void;
}

/** What the search for a coordinator needs. */
export interface MembershipOptions extends Membership {
  /** HOST:PORT, the preferred one first; a name with several addresses stands for all of them, in any order. */
  readonly coordinators: readonly string[];
  readonly security: TransportSecurity;
  readonly observer: MembershipObserver;
  /** Ends the membership, and the search. */
  readonly leave: AbortSignal;
  /** Numbers in [0, 1), for the order of equals and for pauses; default: Math.random. */
  readonly random?: (() => number) | undefined;
  /** Addresses of a host; default: the system's. */
  readonly resolve?: ((host: string) => Promise<readonly string[]>) | undefined;
}

async function systemAddresses(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  return items
    .map((item) => ({ item, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}

/** All addresses to try, in order, and whether every name is known. */
async function addressesOf(
  options: MembershipOptions,
): Promise<{ readonly found: readonly CoordinatorAddress[]; readonly complete: boolean }> {
  const { coordinators, observer, random = Math.random, resolve = systemAddresses } = options;
  const found = coordinators.map(async (named): Promise<CoordinatorAddress[]> => {
    const host = hostOf(named).replace(/^\[|\]$/g, "");
    if (isIP(host)) return [{ dial: named, named }];
    try {
      const numbers = shuffled(await resolve(host), random);
      return numbers.map((number) => {
        const dialled = isIP(number) === 6 ? `[${number}]` : number;
        return { dial: `${dialled}:${portOf(named)}`, named };
      });
    } catch (error) {
      observer.failed(named, error instanceof Error ? error.message : String(error));
      return [];
    }
  });
  const lists = await Promise.all(found);
  return { found: lists.flat(), complete: lists.every((list) => list.length > 0) };
}

/** Whether nobody will ever take this worker. */
const hopeless = (ends: readonly CallEnd[]): boolean =>
  ends.every((end) => end.kind === "refused" && end.permanent);

/**
 * Is a member of some fleet, or looks for one, until it is told to leave.
 * @throws FatalError if every coordinator was reached and refuses the worker for good
 */
export async function keepMembership(options: MembershipOptions): Promise<void> {
  const { security, observer, leave, random = Math.random } = options;
  const pause = async (milliseconds: number): Promise<void> => {
    // Workers that lost the same coordinator do not all come at once.
    await delay(milliseconds * (0.5 + random()), undefined, { signal: leave }).catch(() => {});
  };
  let fruitless = 0;
  // The one that was lost last is tried last: it is the least likely to be there.
  let last: string | undefined;
  while (!leave.aborted) {
    const { found, complete } = await addressesOf(options);
    const from = found.findIndex(({ dial }) => dial === last) + 1;
    const addresses = [...found.slice(from), ...found.slice(0, from)];
    const ends: CallEnd[] = [];
    let joined = false;
    for (const address of addresses) {
      if (leave.aborted) return;
      const end = await callRegistry(address, security, options, leave, (call) => {
        joined = true;
        observer.joined(address.dial, call);
      });
      ends.push(end);
      if (end.kind === "left") return;
      if (end.kind === "lost") {
        last = address.dial;
        observer.lost(address.dial, end.reason);
        break;
      }
      observer.failed(address.dial, end.reason);
    }
    if (complete && hopeless(ends)) {
      const reasons = new Set(ends.flatMap((end) => (end.kind === "refused" ? [end.reason] : [])));
      throw new FatalError(`no coordinator takes this worker: ${[...reasons].join("; ")}`);
    }
    fruitless = joined ? 0 : fruitless + 1;
    const backoff = firstPauseMilliseconds * 2 ** Math.min(fruitless - 1, 10);
    await pause(joined ? firstPauseMilliseconds / 2 : Math.min(longestPauseMilliseconds, backoff));
  }
}
