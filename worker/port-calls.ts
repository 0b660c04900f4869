/**
 * Calls from one thread to another over a message port: many at a time, each with an argument, an answer, and a signal that ends
 * it early on both sides.
 */
import type { MessagePort, Transferable, Worker } from "node:worker_threads";
import { DeqfleetError, PictureError } from "../shared/errors.js";
import { decodeFailure, encodeFailure } from "../shared/wire/failure-codec.js";
import type { Failure } from "../shared/wire/generated/deqfleet/v1/Failure.js";

/** One end of a connection between threads; a thread seen from its parent is one. */
type Port = MessagePort | Worker;

type Request<Argument> =
  | { readonly call: number; readonly argument: Argument }
  | { readonly call: number; readonly cancelled: true };

type Answer<Result> =
  | { readonly call: number; readonly result: Result }
  | { readonly call: number; readonly failure: Failure };

interface Waiting<Result> {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** The asking end. */
export class PortCalls<Argument, Result> {
  readonly #port: Port;
  readonly #waiting = new Map<number, Waiting<Result>>();
  #next = 0;
  #broken: Error | undefined;

  constructor(port: Port) {
    this.#port = port;
    port.on("message", (answer: Answer<Result>) => this.#settle(answer));
  }

  /**
   * @param transfer buffers that are gone afterwards
   * @throws what the other end threw, the signal's reason when it aborts
   */
  async call(
    argument: Argument,
    signal: AbortSignal,
    transfer: readonly Transferable[] = [],
  ): Promise<Result> {
    signal.throwIfAborted();
    if (this.#broken) throw this.#broken;
    const call = this.#next++;
    let cancel = () => {};
    try {
      return await new Promise<Result>((resolve, reject) => {
        this.#waiting.set(call, { resolve, reject });
        cancel = () => {
          this.#port.postMessage({ call, cancelled: true } satisfies Request<Argument>);
          reject(signal.reason);
        };
        signal.addEventListener("abort", cancel, { once: true });
        this.#port.postMessage({ call, argument } satisfies Request<Argument>, transfer);
      });
    } finally {
      signal.removeEventListener("abort", cancel);
      this.#waiting.delete(call);
    }
  }

  /** The other end is gone: all calls fail, now and later. */
  fail(error: Error): void {
    this.#broken ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#broken);
  }

  #settle(answer: Answer<Result>): void {
    const waiting = this.#waiting.get(answer.call);
    if ("failure" in answer) waiting?.reject(decodeFailure(answer.failure));
    else waiting?.resolve(answer.result);
  }
}

/**
 * What another thread is told of an error. Anything unforeseen (out of memory in the runtime, a graph that does not run) fails the
 * picture, not the fleet.
 */
export const threadFailure = (error: unknown): Failure =>
  encodeFailure(
    error instanceof DeqfleetError
      ? error
      : new PictureError(DeqfleetError.messageOf(error), { cause: error }),
  );

/**
 * Serves the other end, until it is gone.
 * @param handle its signal aborts when nobody waits for the result any more: the call was cancelled, or the port has closed
 * @param transferOf buffers of a result to hand over instead of copying them
 */
export function serveCalls<Argument, Result>(
  port: Port,
  handle: (argument: Argument, signal: AbortSignal) => Promise<Result>,
  transferOf: (result: Result) => readonly Transferable[] = () => [],
): void {
  const running = new Map<number, AbortController>();
  const serve = async (call: number, argument: Argument): Promise<void> => {
    const controller = new AbortController();
    running.set(call, controller);
    try {
      const result = await handle(argument, controller.signal);
      port.postMessage({ call, result } satisfies Answer<Result>, transferOf(result));
    } catch (error) {
      const failure = threadFailure(error);
      port.postMessage({ call, failure } satisfies Answer<Result>);
    } finally {
      running.delete(call);
    }
  };
  port.on("message", (request: Request<Argument>) => {
    if ("cancelled" in request) running.get(request.call)?.abort();
    else void serve(request.call, request.argument);
  });
  // The other end is gone, perhaps without a word (out of memory): nobody is left to cancel what it asked for.
  port.on("close", () => {
    for (const controller of running.values()) controller.abort();
  });
}
