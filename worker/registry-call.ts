/** One call to one coordinator's registry: from the registration to whatever ends it. */
import type { ChannelOptions } from "@grpc/grpc-js";
import { DeqfleetError, RetryableError } from "../shared/errors.js";
import type { TransportSecurity } from "../shared/security/transport-security.js";
import { SilenceWatch } from "../shared/silence-watch.js";
import { detailsOf } from "../shared/wire/api-error.js";
import type { Heartbeat } from "../shared/wire/generated/deqfleet/v1/Heartbeat.js";
import type { Registration } from "../shared/wire/generated/deqfleet/v1/Registration.js";
import type { RegistryOrder__Output } from "../shared/wire/generated/deqfleet/v1/RegistryOrder.js";
import { channelOptions, protocol, quickCallMilliseconds } from "../shared/wire/protocol.js";
import { unlessAborted, withinTime } from "../shared/within-time.js";

/** Where a coordinator may be. */
export interface CoordinatorAddress {
  /** What is dialled, HOST:PORT, the host mostly a number. */
  readonly dial: string;
  /** As the user named it; certificates are checked against its host. */
  readonly named: string;
}

/** What a worker says of itself. */
export interface Membership {
  /** Read anew for every call. */
  readonly registration: () => Registration;
  /** Read anew for every heartbeat. */
  readonly heartbeat: () => Heartbeat;
}

/**
 * How a call ended.
 * - `unreachable`: nobody answered.
 * - `refused`: the coordinator does not want this worker; now, or for good.
 * - `lost`: it was a member, and the call broke or the coordinator fell silent.
 * - `left`: it was told to leave.
 */
export type CallEnd =
  | { readonly kind: "unreachable"; readonly reason: string }
  | { readonly kind: "refused"; readonly reason: string; readonly permanent: boolean }
  | { readonly kind: "lost"; readonly reason: string }
  | { readonly kind: "left" };

/** A call under way, for whoever has news before the next heartbeat is due. */
export interface OpenCall {
  /** Sends a heartbeat now. */
  readonly beat: () => void;
}

/** What gRPC says, without its decoration. */
function reasonOf(error: unknown): string {
  const details = error instanceof Error && "details" in error ? String(error.details) : undefined;
  return detailsOf({ details: details ?? DeqfleetError.messageOf(error) });
}

const farewellMilliseconds = 1000;

const never = new AbortController().signal;

/** Names and certificates are the user's, though a number was dialled. */
function optionsFor({ dial, named }: CoordinatorAddress): ChannelOptions {
  if (dial === named) return channelOptions;
  const host = named.slice(0, named.lastIndexOf(":"));
  return { ...channelOptions, "grpc.default_authority": named, "grpc.ssl_target_name_override": host };
}

/**
 * Joins a coordinator and stays a member until the call ends. Never throws.
 * @param leave ends the membership when it aborts
 * @param onAccepted called when the coordinator takes the worker
 */
export async function callRegistry(
  address: CoordinatorAddress,
  { channel, channelOptions: secure }: TransportSecurity,
  { registration, heartbeat }: Membership,
  leave: AbortSignal,
  onAccepted: (call: OpenCall) => void,
): Promise<CallEnd> {
  const client = new protocol.Registry(address.dial, channel, { ...optionsFor(address), ...secure });
  // A membership lasts as long as both live: silence ends it, no deadline.
  const call = client.join();
  call.on("error", () => {});
  const orders = call[Symbol.asyncIterator]() as AsyncIterator<RegistryOrder__Output>;
  const over = new AbortController();
  const until = AbortSignal.any([leave, over.signal]);
  const next = async (): Promise<RegistryOrder__Output> => {
    const { value, done } = await orders.next();
    if (done) throw new RetryableError("it ended the call");
    return value;
  };
  let silence: SilenceWatch | undefined;
  let beating: NodeJS.Timeout | undefined;
  let accepted = false;
  try {
    call.write({ registration: registration() });
    const order = await withinTime(quickCallMilliseconds, "it", leave, next);
    if (order.refused) return { kind: "refused", ...order.refused };
    if (!order.accepted) throw new RetryableError(`it answered ${order.order} to a registration`);
    accepted = true;
    const { heartbeatMilliseconds, silenceMilliseconds } = order.accepted;
    const beat = () => {
      if (!call.destroyed && !call.writableEnded) call.write({ heartbeat: heartbeat() });
    };
    beating = setInterval(beat, heartbeatMilliseconds);
    onAccepted({ beat });
    silence = new SilenceWatch(silenceMilliseconds, () =>
      over.abort(new RetryableError(`nothing was heard of it for ${silenceMilliseconds / 1000} s`)),
    );
    for (;;) {
      await unlessAborted(until, next);
      silence.heard();
    }
  } catch (error) {
    if (leave.aborted) {
      call.end();
      // The coordinator ends its half when it has taken note.
      const ended = async () => {
        while (!(await orders.next()).done);
      };
      await withinTime(farewellMilliseconds, address.named, never, ended).catch(() => {});
      return { kind: "left" };
    }
    return { kind: accepted ? "lost" : "unreachable", reason: reasonOf(error) };
  } finally {
    silence?.stop();
    clearInterval(beating);
    call.cancel();
    client.close();
  }
}
