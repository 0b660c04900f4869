/** The ways of a slice's commands and events: its pair of gRPC streams, and, where it has one, a socket for its rounds. */
import type { ClientReadableStream } from "@grpc/grpc-js";
import { FrameReader, type MessageSource } from "../../shared/wire/frame-stream.js";
import type { SliceCommand } from "../../shared/wire/generated/deqfleet/v1/SliceCommand.js";
import type { SliceEvent__Output } from "../../shared/wire/generated/deqfleet/v1/SliceEvent.js";
import { quickCallMilliseconds } from "../../shared/wire/protocol.js";
import { withinTime } from "../../shared/within-time.js";
import type { CommandFeed } from "./exchange-server.js";

/** How long a worker may take. */
export interface SliceTimeouts {
  /** For one command: a round's evaluations, or a whole serial chain. Milliseconds. */
  readonly command: number;
  /** To take some more of a long transfer, {@link defaultStall} unless given. Milliseconds. */
  readonly stall?: number | undefined;
}

/**
 * Milliseconds without progress after which a worker has stopped taking what it is sent. A transfer has no limit as a whole: how long
 * it takes depends on the canvas and on who shares the network. The streams hold back 16 messages of a megabyte, so this
 * asks for 0.3 MB/s, from each of sixteen slices that share 5 MB/s.
 */
const defaultStall = 60_000;

/** A way for commands and the events that answer them. */
export interface Way extends MessageSource<SliceEvent__Output> {
  /** @param behind values that the last command announces; by sockets only */
  write(
    commands: readonly SliceCommand[],
    behind: Float32Array | undefined,
    signal: AbortSignal,
  ): Promise<void>;
}

/** The streams of a slice. @param address of the worker, for messages */
export function streamsOf(
  call: ClientReadableStream<SliceEvent__Output>,
  feed: CommandFeed,
  address: string,
  timeouts: SliceTimeouts,
): Way {
  const events = new FrameReader<SliceEvent__Output>(call);
  return {
    next: () => events.next(),
    nextChunk: events.nextChunk,
    write: async (commands, _, signal) => {
      // Before the first message goes, the worker has to come for it.
      let limit = quickCallMilliseconds;
      for (const command of commands) {
        await withinTime(limit, `worker ${address}`, signal, () => feed.write([command]));
        limit = timeouts.stall ?? defaultStall;
      }
    },
  };
}
