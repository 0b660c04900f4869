/**
 * The registry of workers that join over the network: one call a worker, which is a member of the pool while the call lasts.
 *
 *     (call) -> serving -> draining -> (left)
 *         |        |          |
 *      refused    lost       lost
 *
 * Invariants:
 * 1. A worker is in the pool only after the coordinator has reached it where it said, and found the same process there.
 * 2. A worker that was not heard of, or did not answer as healthy, for the time of silence is lost: its leases fail, its call
 *    ends, and it may join again.
 * 3. A name belongs to one process at a time.
 */
import { setMaxListeners } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { type ServerDuplexStream, status } from "@grpc/grpc-js";
import { workerNameSchema } from "../../shared/config/worker-settings.js";
import { DeqfleetError, FatalError, RetryableError } from "../../shared/errors.js";
import type { TransportSecurity } from "../../shared/security/transport-security.js";
import { SilenceWatch } from "../../shared/silence-watch.js";
import type { Member as MemberMessage } from "../../shared/wire/generated/deqfleet/v1/Member.js";
import type { Registration__Output } from "../../shared/wire/generated/deqfleet/v1/Registration.js";
import type { RegistryHandlers } from "../../shared/wire/generated/deqfleet/v1/Registry.js";
import type { RegistryOrder } from "../../shared/wire/generated/deqfleet/v1/RegistryOrder.js";
import type { WorkerState__Output } from "../../shared/wire/generated/deqfleet/v1/WorkerState.js";
import type { GrpcServer } from "../../shared/wire/grpc-server.js";
import { protocol, protocolVersion, quickCallMilliseconds } from "../../shared/wire/protocol.js";
import { unlessAborted, withinTime } from "../../shared/within-time.js";
import { WorkerChannel } from "../wire/worker-channel.js";
import type { MemberPool } from "./member-pool.js";
import type { MemberDescription } from "./worker-pool.js";

type JoinCall = ServerDuplexStream<WorkerState__Output, RegistryOrder>;

/** What happened to a worker, or to one that wanted to be. */
export interface RegistryEvent {
  readonly kind: "joined" | "draining" | "left" | "lost" | "refused";
  readonly worker: string;
  /** Where it is, as far as it said. */
  readonly address: string;
  readonly reason: string;
}

/** How the registry watches its workers. */
export interface RegistryOptions {
  readonly pool: MemberPool;
  readonly heartbeatMilliseconds: number;
  /** Silence after which a worker is lost. */
  readonly silenceMilliseconds: number;
  /** Of the channels to workers; default: none, for loopback and test networks. */
  readonly security?: TransportSecurity | undefined;
  readonly onEvent?: ((event: RegistryEvent) => void) | undefined;
  /** Default: the system's clock. */
  readonly now?: (() => Date) | undefined;
}

/** Why a worker may not join. */
class Refusal extends Error {
  readonly permanent: boolean;

  constructor(permanent: boolean, reason: string) {
    super(reason);
    this.permanent = permanent;
  }
}

/** A process that has a name, and how to take it away. */
interface Holder {
  readonly instance: string;
  readonly address: string;
  readonly leave: AbortController;
}

const messageOf = (member: MemberDescription): MemberMessage => ({
  name: member.name,
  state: member.state,
  address: member.address,
  device: member.device,
  threads: member.threads,
  pid: member.pid,
  version: member.version,
  modelHash: member.network.hash,
  pictures: member.holds.pictures,
  slices: member.holds.slices,
  costs: [...member.costs],
  joinedAt: member.joinedAt.getTime(),
});

export class Registry {
  readonly #options: RegistryOptions;
  readonly #holders = new Map<string, Holder>();
  readonly #closing = new AbortController();

  constructor(options: RegistryOptions) {
    this.#options = options;
    setMaxListeners(0, this.#closing.signal);
  }

  /** Adds the Registry service to a server. */
  serveOn(server: GrpcServer): void {
    const handlers: RegistryHandlers = {
      Join: (call) => {
        void this.#serve(call);
      },
      ListMembers: (_call, reply) => reply(null, { members: this.#options.pool.members().map(messageOf) }),
    };
    server.add(protocol.Registry.service, handlers);
  }

  /** Sends every worker away, to another coordinator. */
  close(): void {
    this.#closing.abort(new RetryableError("this coordinator is stopping"));
  }

  async #serve(call: JoinCall): Promise<void> {
    // A broken call is told to whoever reads it.
    call.on("error", () => {});
    const messages = call[Symbol.asyncIterator]() as AsyncIterator<WorkerState__Output>;
    const { signal } = this.#closing;
    let registration: Registration__Output | null | undefined;
    try {
      const { value } = await withinTime(quickCallMilliseconds, "the worker", signal, () => messages.next());
      registration = (value as WorkerState__Output | undefined)?.registration;
      if (!registration) throw new Refusal(true, "a worker's first message has to be its registration");
      const lost = await this.#admit(call, messages, registration);
      if (lost === undefined) call.end();
      // It may be there and not know that it was given up.
      else if (!call.destroyed) call.emit("error", { code: status.UNAVAILABLE, details: lost });
    } catch (error) {
      const reason = DeqfleetError.messageOf(error);
      const permanent = error instanceof Refusal && error.permanent;
      const { name = "", address = "" } = registration ?? {};
      this.#tell("refused", { name, address }, reason);
      if (call.destroyed) return;
      call.write({ refused: { reason, permanent } });
      call.end();
    }
  }

  /**
   * Has a worker as a member until it leaves or is lost.
   * @returns why it was lost; undefined if it left
   * @throws Refusal if it may not join
   */
  async #admit(
    call: JoinCall,
    messages: AsyncIterator<WorkerState__Output>,
    registration: Registration__Output,
  ): Promise<string | undefined> {
    const { name, instance, address } = registration;
    this.#check(registration);
    const leave = new AbortController();
    const holder = { instance, address, leave };
    const stop = () => leave.abort(this.#closing.signal.reason);
    this.#closing.signal.addEventListener("abort", stop, { once: true });
    this.#holders.set(name, holder);
    try {
      const channel = await this.#reach(registration);
      try {
        leave.signal.throwIfAborted();
        return await this.#keep(call, messages, registration, channel, holder);
      } finally {
        channel.close();
      }
    } finally {
      this.#closing.signal.removeEventListener("abort", stop);
      if (this.#holders.get(name) === holder) this.#holders.delete(name);
    }
  }

  /** @throws Refusal */
  #check({ protocolVersion: spoken, version, name, instance, address }: Registration__Output): void {
    this.#closing.signal.throwIfAborted();
    if (spoken !== protocolVersion) {
      throw new Refusal(
        true,
        `worker ${name} (deqfleet ${version}) speaks protocol ${spoken}, this coordinator ${protocolVersion}: install the same version of deqfleet on both`,
      );
    }
    const named = workerNameSchema.safeParse(name);
    if (!named.success) throw new Refusal(true, `--name "${name}" ${named.error.issues[0]?.message}`);
    const holder = this.#holders.get(name);
    if (!holder) return;
    if (holder.instance !== instance) {
      throw new Refusal(
        false,
        `the name ${name} is taken by a worker at ${holder.address}; give this one at ${address} another --name`,
      );
    }
    // It has given up its former call, of which nothing was heard yet.
    holder.leave.abort(new RetryableError("it joined anew"));
    this.#options.pool.remove(name, "it joined anew");
  }

  /** Connects to the worker where it says it is. @throws Refusal */
  async #reach({ name, address, instance, modelHash }: Registration__Output): Promise<WorkerChannel> {
    let channel: WorkerChannel;
    try {
      channel = await WorkerChannel.connect(address, this.#options.security);
    } catch (error) {
      const reason = DeqfleetError.messageOf(error);
      throw new Refusal(
        error instanceof FatalError,
        `worker ${name} cannot be reached at ${address}: ${reason}; check its --advertise address`,
      );
    }
    if (channel.instance === instance && channel.card.hash === modelHash) return channel;
    channel.close();
    throw new Refusal(
      false,
      `at ${address} another worker answers than ${name}; check its --advertise address`,
    );
  }

  /** Has the worker in the pool for as long as it is heard of. @returns why it was lost; undefined if it left */
  async #keep(
    call: JoinCall,
    messages: AsyncIterator<WorkerState__Output>,
    registration: Registration__Output,
    channel: WorkerChannel,
    holder: Holder,
  ): Promise<string | undefined> {
    const { pool, heartbeatMilliseconds, silenceMilliseconds, now = () => new Date() } = this.#options;
    const { name, batchPictures: pictures, batchPixels: pixels, costs } = registration;
    call.write({ accepted: { heartbeatMilliseconds, silenceMilliseconds } });
    pool.join({ name, channel, batch: { pictures, pixels }, costs, joinedAt: now() });
    this.#tell("joined", registration, `${channel.device}, model ${channel.card.hash.slice(0, 12)}`);
    const over = new AbortController();
    const { leave } = holder;
    const lose = (why: string) => leave.abort(new RetryableError(why));
    const seconds = `for ${silenceMilliseconds / 1000} s`;
    const silence = new SilenceWatch(silenceMilliseconds, () => lose(`no heartbeat came ${seconds}`));
    void this.#watchHealth(channel, over.signal, () => lose(`it was not healthy ${seconds}`));
    let draining = false;
    try {
      for (;;) {
        const { value, done } = await unlessAborted(leave.signal, () => messages.next());
        if (done) break;
        silence.heard();
        const { heartbeat } = value;
        if (!heartbeat) continue;
        pool.learn(name, heartbeat.costs);
        if (heartbeat.draining && !draining) {
          draining = true;
          pool.drain(name);
          this.#tell("draining", registration, `${heartbeat.holds} at work`);
        }
        call.write({ heard: {} });
      }
      const reason = draining ? "it has drained" : "it went away without draining";
      this.#forget(registration, holder, draining ? "left" : "lost", reason);
      return undefined;
    } catch (error) {
      const reason = call.cancelled ? "its call broke" : DeqfleetError.messageOf(error);
      this.#forget(registration, holder, "lost", reason);
      return reason;
    } finally {
      silence.stop();
      over.abort();
    }
  }

  #forget(registration: Registration__Output, holder: Holder, kind: "left" | "lost", reason: string): void {
    // Whoever has the name by now is another one.
    if (this.#holders.get(registration.name) === holder) this.#options.pool.remove(registration.name, reason);
    this.#tell(kind, registration, reason);
  }

  /** Asks the worker again and again whether it serves. @param onUnhealthy called when it has not said so for too long */
  async #watchHealth(channel: WorkerChannel, over: AbortSignal, onUnhealthy: () => void): Promise<void> {
    const { heartbeatMilliseconds, silenceMilliseconds } = this.#options;
    const silence = new SilenceWatch(silenceMilliseconds, onUnhealthy);
    while (!over.aborted) {
      await delay(heartbeatMilliseconds, undefined, { signal: over }).catch(() => {});
      const healthy = channel.checkHealth(silenceMilliseconds).then(() => silence.heard());
      // Whether that is worth telling is decided by how long it lasts.
      await healthy.catch(() => {});
    }
    silence.stop();
  }

  #tell(kind: RegistryEvent["kind"], worker: { name: string; address: string }, reason: string): void {
    this.#options.onEvent?.({ kind, worker: worker.name, address: worker.address, reason });
  }
}
