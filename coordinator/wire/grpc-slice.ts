/** A slice on a worker at the other end of a pair of streams. */
import { randomUUID } from "node:crypto";
import type { ClientReadableStream } from "@grpc/grpc-js";
import type {
  ChainSpec,
  EngineSeconds,
  MovedSteps,
  Recut,
  RoundCommand,
  RoundReport,
  SerialReport,
  Slice,
  SliceSpec,
  StepRun,
} from "../../shared/chain/slice-host.js";
import { RetryableError } from "../../shared/errors.js";
import { encodeChain } from "../../shared/wire/chain-codec.js";
import { decodeFailure } from "../../shared/wire/failure-codec.js";
import type { Seconds__Output } from "../../shared/wire/generated/deqfleet/v1/Seconds.js";
import type { SliceCommand } from "../../shared/wire/generated/deqfleet/v1/SliceCommand.js";
import type { SliceEvent__Output } from "../../shared/wire/generated/deqfleet/v1/SliceEvent.js";
import type { Tensor__Output } from "../../shared/wire/generated/deqfleet/v1/Tensor.js";
import { decodeMoved, encodeMoved, joinNumbers, splitNumbers } from "../../shared/wire/moved-codec.js";
import { protocolVersion } from "../../shared/wire/protocol.js";
import type { RoundHall } from "../../shared/wire/round-hall.js";
import type { CommandSocket } from "../../shared/wire/round-socket.js";
import {
  checkNumbers,
  type EncodedTensor,
  encodeTensor,
  laneOf,
  receiveFloat32,
  tensorBehind,
  tensorInLane,
} from "../../shared/wire/tensor-codec.js";
import { laneCapacity, TensorLane } from "../../shared/wire/tensor-lane.js";
import { tellExchange } from "../../shared/wire/wire-traffic.js";
import { withinTime } from "../../shared/within-time.js";
import type { CommandFeed, ExchangeServer } from "./exchange-server.js";
import { checkGiven } from "./given-steps.js";
import { setupCommands } from "./setup-commands.js";
import { type SliceTimeouts, streamsOf, type Way } from "./slice-way.js";
import type { WorkerChannel } from "./worker-channel.js";
import { lossOf } from "./worker-loss.js";

/** Where the workers come for their slices' commands. */
export type CommandExchange = Pick<
  ExchangeServer,
  "address" | "announce" | "withdraw" | "laneHall" | "rounds"
>;

const noSeconds: EngineSeconds = { network: 0, kernels: 0, total: 0 };

const secondsOf = (message: Seconds__Output | null): EngineSeconds =>
  message ? { network: message.network, kernels: message.kernels, total: message.total } : noSeconds;

/** A tensor on its way out: what announces it, and what follows. */
interface Outgoing extends EncodedTensor {
  readonly behind?: Float32Array;
}

/** Implements {@link Slice} over gRPC. */
export class GrpcSlice implements Slice {
  readonly #worker: WorkerChannel;
  readonly #call: ClientReadableStream<SliceEvent__Output>;
  readonly #streams: Way;
  readonly #feed: CommandFeed;
  readonly #timeouts: SliceTimeouts;
  /** Numbers of a picture, and of a state or a correction in any space. */
  readonly #pictureNumbers: number;
  /** Undefined where the worker is on another machine. */
  #lane: TensorLane | undefined;
  /** By which rounds travel; undefined where they take the streams. */
  #socket: CommandSocket | undefined;

  private constructor(
    worker: WorkerChannel,
    call: ClientReadableStream<SliceEvent__Output>,
    feed: CommandFeed,
    timeouts: SliceTimeouts,
    lane: TensorLane | undefined,
    { height, width }: ChainSpec["canvas"],
  ) {
    this.#worker = worker;
    this.#call = call;
    // A worker that is given up may still be there and silent: whoever waits at the socket learns it from the call's end.
    for (const end of ["error", "status", "end", "close"]) call.once(end, () => this.#socket?.close());
    this.#streams = streamsOf(call, feed, worker.address, timeouts);
    this.#feed = feed;
    this.#timeouts = timeouts;
    this.#lane = lane;
    this.#pictureNumbers = 3 * height * width;
  }

  /**
   * Opens a slice and sends it its tensors.
   * @param lanes folder for lanes to workers on this machine; undefined for none
   * @throws InputError if the chain cannot be sent, RetryableError if the worker was lost or its channel is closed, what it says
   *   has failed, the signal's reason when it aborts
   */
  static async open(
    spec: SliceSpec,
    worker: WorkerChannel,
    exchange: CommandExchange,
    timeouts: SliceTimeouts,
    lanes: string | undefined,
    signal: AbortSignal,
  ): Promise<GrpcSlice> {
    const { chain, begin, end } = spec;
    const made = lanes ? TensorLane.create(lanes, laneCapacity(chain)) : undefined;
    const token = randomUUID();
    const feed = exchange.announce(token);
    let slice: GrpcSlice | undefined;
    let halls: RoundHall[] = [];
    try {
      const beside = lanes && made ? await exchange.laneHall(lanes) : undefined;
      const { rounds } = exchange;
      halls = [beside, rounds?.hall].filter((hall) => hall !== undefined);
      for (const hall of halls) hall.announce(token);
      const call = worker.openSlice({
        protocolVersion,
        exchangeAddress: exchange.address,
        token,
        chain: encodeChain(chain),
        begin,
        end,
        lane: made?.name ?? "",
        laneSocket: beside?.name ?? "",
        roundAddress: rounds?.address ?? "",
      });
      slice = new GrpcSlice(worker, call, feed, timeouts, made?.lane, chain.canvas);
      const commands = setupCommands(chain, spec.seeds);
      const found = await slice.#exchange(commands, "opened", signal, async ({ opened }) => opened?.lane);
      const [socket] = halls.flatMap((hall) => hall.take(token) ?? []);
      socket?.permit(4 * slice.#pictureNumbers);
      slice.#socket = socket;
      if (!found) slice.#closeLane();
      return slice;
    } catch (error) {
      exchange.withdraw(token);
      for (const hall of halls) hall.take(token)?.close();
      if (slice) await slice.close();
      else {
        made?.lane.close();
        feed.end();
      }
      throw signal.aborted ? error : lossOf(worker, error);
    }
  }

  async round(command: RoundCommand, signal: AbortSignal): Promise<RoundReport> {
    const started = performance.now();
    const { correction, gram, ...rest } = command;
    const way: Way = this.#socket ?? this.#streams;
    const encoded = correction && this.#encode(correction, way);
    const message = { ...rest, gram: [...(gram ?? [])], correction: encoded?.tensor ?? null };
    const chunks = (encoded?.chunks ?? []).map((chunk) => ({ chunk }));
    const read = async ({ round: report }: SliceEvent__Output) => {
      if (!report) throw new RetryableError("a round report is empty");
      return {
        report,
        exit: report.exit ? await this.#decode(report.exit, this.#pictureNumbers, way) : undefined,
      };
    };
    const all = [{ round: message }, ...chunks];
    const { report, exit } = await this.#exchange(all, "round", signal, read, way, encoded?.behind);
    const seconds = secondsOf(report.seconds);
    tellExchange("round", started, seconds.total);
    return {
      residuals: report.residuals,
      transfer: { range: report.transferRange, null: report.transferNull },
      exit,
      gram: report.gram,
      evaluations: report.evaluations,
      seconds,
    };
  }

  async serial(signal: AbortSignal): Promise<SerialReport> {
    const started = performance.now();
    const report = await this.#exchange([{ serial: {} }], "serial", signal, async ({ serial }) => {
      if (!serial?.exit) throw new RetryableError("a serial report came without its picture");
      const exit = (await this.#decode(serial.exit, this.#pictureNumbers)).slice();
      return { exit, evaluations: serial.evaluations, seconds: secondsOf(serial.seconds) };
    });
    tellExchange("serial", started, report.seconds.total);
    return report;
  }

  readState(which: "entry" | "exit", signal: AbortSignal): Promise<Float32Array> {
    const command = { readState: { which: which === "entry" ? "WHICH_ENTRY" : "WHICH_EXIT" } } as const;
    return this.#exchange([command], "state", signal, async ({ state }) => {
      if (!state) throw new RetryableError("a state came without its tensor");
      return (await this.#decode(state, this.#pictureNumbers)).slice();
    });
  }

  give(run: StepRun, signal: AbortSignal): Promise<MovedSteps> {
    return this.#exchange([{ give: run }], "given", signal, async ({ given }) => {
      if (!given?.run || !given.numbers) throw new RetryableError("steps were given without their numbers");
      const moved = decodeMoved(given.run);
      checkGiven(run, moved, this.#pictureNumbers);
      // The lane's memory is its own until the next tensor.
      const numbers = (await this.#decode(given.numbers, moved.count)).slice();
      return splitNumbers([moved], numbers)[0];
    });
  }

  async recut({ begin, end, evaluatedTo, taken }: Recut, signal: AbortSignal): Promise<void> {
    const numbers = joinNumbers(taken);
    const encoded = numbers && this.#encode(numbers);
    const message = {
      begin,
      end,
      evaluatedTo,
      taken: taken.map(encodeMoved),
      numbers: encoded?.tensor ?? null,
    };
    const chunks = (encoded?.chunks ?? []).map((chunk) => ({ chunk }));
    await this.#exchange([{ recut: message }, ...chunks], "recut", signal, async () => {});
  }

  /** A tensor for the worker: in the lane if it fits, as it is where `way` takes it so. */
  #encode(values: Float32Array, way: Way = this.#streams): Outgoing {
    const number = this.#lane?.write(values);
    if (number !== undefined) return { tensor: tensorInLane(number, values.length), chunks: [] };
    if (way === this.#streams) return encodeTensor(values, [values.length]);
    return { tensor: tensorBehind(values), chunks: [], behind: values };
  }

  /**
   * A tensor of the worker's; where it came by the lane or a socket, valid until the next.
   * @param due how many numbers it must have
   * @throws RetryableError if it has others, or did not arrive whole
   */
  async #decode(tensor: Tensor__Output, due: number, way: Way = this.#streams): Promise<Float32Array> {
    const found = laneOf(tensor);
    if (!found) return receiveFloat32(tensor, way, due);
    if (!this.#lane) throw new RetryableError("the worker announced a tensor in a lane that it did not open");
    checkNumbers(tensor, due);
    return this.#lane.read(found.lane, due);
  }

  #closeLane(): void {
    this.#lane?.close();
    this.#lane = undefined;
  }

  async close(): Promise<void> {
    this.#closeLane();
    this.#socket?.close();
    this.#feed.end();
    this.#call.cancel();
  }

  /**
   * Sends a command and waits for what answers it.
   * @param read takes the event, and its tensor's chunks from `way`: they are part of the answer, under the same limits
   * @throws RetryableError if the worker was lost or takes too long, what it says has failed, the signal's reason when it aborts
   */
  async #exchange<Result>(
    commands: readonly SliceCommand[],
    expected: SliceEvent__Output["event"],
    signal: AbortSignal,
    read: (event: SliceEvent__Output) => Promise<Result>,
    way: Way = this.#streams,
    behind?: Float32Array,
  ): Promise<Result> {
    const { address } = this.#worker;
    try {
      return await withinTime(this.#timeouts.command, `worker ${address}`, signal, async () => {
        // Whatever ends the slice (a worker that refuses it, or dies) must end the wait for it to take commands.
        const answer = way.next();
        const sent = way.write(commands, behind, signal);
        const event = await Promise.race([answer, sent.then(() => answer)]);
        if (!event) throw new RetryableError(`worker ${address} closed the slice`);
        if (event.failure) throw decodeFailure(event.failure);
        if (event.event !== expected) {
          throw new RetryableError(`worker ${address} answered ${event.event} where ${expected} was due`);
        }
        return read(event);
      });
    } catch (error) {
      throw signal.aborted ? error : lossOf(this.#worker, error);
    }
  }
}
