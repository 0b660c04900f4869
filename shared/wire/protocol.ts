/** The protocol of proto/deqfleet/v1: its version, its definition, and how channels and servers are set up for it. */
import {
  type ChannelOptions,
  credentials,
  loadPackageDefinition,
  logVerbosity,
  type ServerOptions,
  setLogVerbosity,
} from "@grpc/grpc-js";
import { countedDefinition } from "./counted-definition.js";
import { protocolDefinition } from "./definition.js";
import type { ProtoGrpcType as FleetTypes } from "./generated/fleet.js";
import type { ProtoGrpcType as JobsTypes } from "./generated/jobs.js";
import type { ProtoGrpcType as SliceTypes } from "./generated/slice.js";

// Whatever grpc-js would print also comes back as an error, which names the remedy; printed twice it confuses.
if (process.env.GRPC_VERBOSITY === undefined) setLogVerbosity(logVerbosity.NONE);

/** Raised whenever a peer of another version would misunderstand us. Both sides refuse a mismatch. */
export const protocolVersion = 4;

export { protocolDefinition };

/** Services and client constructors; what they send and receive is counted (wire-traffic.ts). */
export const protocol = (
  loadPackageDefinition(countedDefinition(protocolDefinition)) as unknown as SliceTypes &
    FleetTypes &
    JobsTypes
).deqfleet.v1;

/** Largest message either side takes: a tensor's first megabyte with its header, with room to spare. */
const largestMessage = 4 * 1024 * 1024;

const keepalive = {
  // Off by default in grpc-js: a peer whose machine vanished would never be noticed.
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 20_000,
  "grpc.keepalive_permit_without_calls": 1,
} as const;

/** Client channels: a receive window that holds a whole tensor, so that a round costs one trip, not many. */
export const channelOptions: ChannelOptions = {
  ...keepalive,
  // Every call is counted for a service that nobody here serves. Servers need it: without it they forget the connections that they are
  // to end at once.
  "grpc.enable_channelz": 0,
  "grpc.max_receive_message_length": largestMessage,
  "grpc.max_send_message_length": largestMessage,
  "grpc-node.flow_control_window": 16 * 1024 * 1024,
};

/** Servers. */
export const serverOptions: ServerOptions = {
  ...keepalive,
  "grpc.max_receive_message_length": largestMessage,
  "grpc.max_send_message_length": largestMessage,
};

/** Loopback and test networks; transport security is a matter of deployment. */
export const insecureChannel = credentials.createInsecure();

/** Milliseconds granted to calls that compute nothing. */
export const quickCallMilliseconds = 15_000;

/** A chain may take long, but no call is without an end. */
export const sliceCallMilliseconds = 24 * 3600 * 1000;

/** The moment `milliseconds` from now, as a call's deadline. */
export const deadlineIn = (milliseconds: number): Date => new Date(Date.now() + milliseconds);
