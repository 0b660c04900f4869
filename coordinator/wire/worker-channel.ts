/** The coordinator's channel to one worker: handshake, health, slices. */
import {
  type ClientReadableStream,
  type ClientUnaryCall,
  makeGenericClientConstructor,
  type ServiceError,
} from "@grpc/grpc-js";
import { service as healthService } from "grpc-health-check";
import type { NetworkCard } from "../../shared/chain/network-card.js";
import { DeqfleetError, FatalError, RetryableError } from "../../shared/errors.js";
import type { CostPoint } from "../../shared/fleet/cost-point.js";
import type { PictureSize } from "../../shared/operators/task.js";
import { insecureTransport, type TransportSecurity } from "../../shared/security/transport-security.js";
import { traceMetadata } from "../../shared/telemetry/tracing.js";
import { detailsOf } from "../../shared/wire/api-error.js";
import type { HandshakeReply__Output } from "../../shared/wire/generated/deqfleet/v1/HandshakeReply.js";
import type { OpenSliceRequest } from "../../shared/wire/generated/deqfleet/v1/OpenSliceRequest.js";
import type { RestorePictureReply__Output } from "../../shared/wire/generated/deqfleet/v1/RestorePictureReply.js";
import type { RestorePictureRequest } from "../../shared/wire/generated/deqfleet/v1/RestorePictureRequest.js";
import type { SliceEvent__Output } from "../../shared/wire/generated/deqfleet/v1/SliceEvent.js";
import type { WorkerClient } from "../../shared/wire/generated/deqfleet/v1/Worker.js";
import {
  channelOptions,
  deadlineIn,
  protocol,
  protocolVersion,
  quickCallMilliseconds,
  sliceCallMilliseconds,
} from "../../shared/wire/protocol.js";

const HealthClient = makeGenericClientConstructor(healthService, "Health");

/** One call may take that long, however little time was to be spent. */
const measuringMilliseconds = 120_000;

/** A worker that answered the handshake. */
export class WorkerChannel {
  readonly address: string;
  readonly card: NetworkCard;
  readonly device: string;
  readonly threads: number;
  readonly version: string;
  readonly pid: number;
  /** Of the worker's process: another one at the same address has another. */
  readonly instance: string;
  readonly #client: WorkerClient;
  readonly #health: InstanceType<typeof HealthClient>;
  readonly #calls = new Set<{ cancel(): void }>();
  #abandoned: string | undefined;

  private constructor(
    address: string,
    client: WorkerClient,
    reply: HandshakeReply__Output,
    { channel, channelOptions: secure }: TransportSecurity,
  ) {
    const { fixedHeight: height, fixedWidth: width } = reply;
    this.address = address;
    this.card = {
      hash: reply.modelHash,
      sizeMultiple: reply.sizeMultiple,
      fixedSize: height > 0 && width > 0 ? { height, width } : undefined,
    };
    this.device = reply.device;
    this.threads = reply.threads;
    this.version = reply.version;
    this.pid = reply.pid;
    this.instance = reply.instance;
    this.#client = client;
    this.#health = new HealthClient(address, channel, { ...channelOptions, ...secure });
  }

  /**
   * Shakes hands.
   * @throws FatalError if the worker speaks another version of the protocol, RetryableError if it does not answer
   */
  static async connect(address: string, security = insecureTransport): Promise<WorkerChannel> {
    const client = new protocol.Worker(address, security.channel, {
      ...channelOptions,
      ...security.channelOptions,
    });
    try {
      const reply = await handshake(client, address);
      if (reply.protocolVersion !== protocolVersion) {
        throw new FatalError(
          `worker ${address} (deqfleet ${reply.version}) speaks protocol ${reply.protocolVersion}, this coordinator ${protocolVersion}: install the same version of deqfleet on both`,
        );
      }
      return new WorkerChannel(address, client, reply, security);
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** Resolves when the worker says it serves. @throws RetryableError if it does not within the deadline */
  async checkHealth(milliseconds: number): Promise<void> {
    const { path, requestSerialize, responseDeserialize } = healthService.Check;
    await new Promise<void>((resolve, reject) => {
      this.#health.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        { service: "" },
        { deadline: deadlineIn(milliseconds) },
        (error, reply) => {
          const status = reply && typeof reply === "object" && "status" in reply ? reply.status : undefined;
          if (!error && status === "SERVING") resolve();
          else
            reject(new RetryableError(`worker ${this.address} is not healthy: ${error?.message ?? status}`));
        },
      );
    });
  }

  /** Asks for a slice; its events follow. */
  openSlice(request: OpenSliceRequest): ClientReadableStream<SliceEvent__Output> {
    const call = this.#client.openSlice(request, traceMetadata(), {
      deadline: deadlineIn(sliceCallMilliseconds),
    });
    this.#calls.add(call);
    call.once("status", () => this.#calls.delete(call));
    return call;
  }

  /**
   * Has the worker measure what network calls cost it.
   * @param seconds to spend on it, about
   * @throws RetryableError if it does not answer
   */
  measureCosts(seconds: number, size: PictureSize): Promise<CostPoint[]> {
    return new Promise((resolve, reject) => {
      const deadline = deadlineIn(1000 * seconds + measuringMilliseconds);
      this.#client.measureCosts({ seconds, ...size }, { deadline }, (error, reply) => {
        if (reply) resolve(reply.costs);
        else {
          const reason = error ? detailsOf(error) : "no answer";
          reject(new RetryableError(`worker ${this.address} cannot measure: ${reason}`, { cause: error }));
        }
      });
    });
  }

  /**
   * Asks for a whole picture.
   * @throws RetryableError if the worker was lost or did not answer in time, the signal's reason when it aborts
   */
  restorePicture(
    request: RestorePictureRequest,
    milliseconds: number,
    signal: AbortSignal,
  ): Promise<RestorePictureReply__Output> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      let call: ClientUnaryCall | undefined;
      const cancel = () => {
        reject(signal.reason);
        call?.cancel();
      };
      const lose = (cause: unknown) => {
        const reason = this.#abandoned ?? DeqfleetError.messageOf(cause);
        reject(new RetryableError(`worker ${this.address} was lost: ${reason}`, { cause }));
      };
      const settle = (error: ServiceError | null, reply?: RestorePictureReply__Output) => {
        signal.removeEventListener("abort", cancel);
        if (call) this.#calls.delete(call);
        if (reply) resolve(reply);
        else lose(error);
      };
      try {
        const deadline = deadlineIn(milliseconds);
        call = this.#client.restorePicture(request, traceMetadata(), { deadline }, settle);
      } catch (error) {
        // A client that was closed throws at once.
        lose(error);
        return;
      }
      this.#calls.add(call);
      signal.addEventListener("abort", cancel, { once: true });
    });
  }

  /** Why the worker was given up; undefined while it is not. */
  get abandoned(): string | undefined {
    return this.#abandoned;
  }

  /** Gives the worker up: calls under way fail at once, though it may still be there and silent. */
  abandon(reason: string): void {
    this.#abandoned ??= reason;
    this.close();
  }

  /** Closes the channel; calls under way fail. */
  close(): void {
    // Closing a gRPC client leaves its calls as they are.
    for (const call of this.#calls) call.cancel();
    this.#client.close();
    this.#health.close();
  }
}

function handshake(client: WorkerClient, address: string): Promise<HandshakeReply__Output> {
  return new Promise((resolve, reject) => {
    client.handshake(
      { protocolVersion },
      { deadline: deadlineIn(quickCallMilliseconds) },
      (error: ServiceError | null, reply?: HandshakeReply__Output) => {
        if (reply) resolve(reply);
        else
          reject(new RetryableError(`worker ${address} did not answer: ${error?.message}`, { cause: error }));
      },
    );
  });
}
