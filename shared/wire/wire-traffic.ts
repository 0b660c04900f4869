/**
 * What crosses between coordinators and workers, counted where it does: messages of this project's protocol by gRPC and by the
 * sockets for rounds, tensors by the lanes themselves. Each thread counts its own; an engine's thread tells its process.
 */

/** By which way: messages of gRPC, messages of a socket for rounds, tensors in a lane. */
export type WireWay = "grpc" | "socket" | "lane";

export type WireDirection = "sent" | "received";

/** What one way has carried in one direction for one call. */
export interface WireTotal {
  readonly way: WireWay;
  readonly direction: WireDirection;
  /** The call of the protocol, e.g. `RestorePicture`; of sockets and lanes, the stream whose place they take. */
  readonly call: string;
  /** Messages; in a lane, tensors. */
  readonly messages: number;
  /** Of the messages as they are encoded, without the transport's own. */
  readonly bytes: number;
  /** This side spent on encoding or decoding them; in a lane, on copying. */
  readonly seconds: number;
}

/** Counts what one way carries in one direction for one call. */
export class WireCounter {
  readonly way: WireWay;
  readonly direction: WireDirection;
  readonly call: string;
  messages = 0;
  bytes = 0;
  milliseconds = 0;

  constructor(way: WireWay, direction: WireDirection, call: string) {
    this.way = way;
    this.direction = direction;
    this.call = call;
  }

  /** @param started when work on the message began, milliseconds of `performance.now` */
  add(bytes: number, started: number): void {
    this.messages++;
    this.bytes += bytes;
    this.milliseconds += performance.now() - started;
  }
}

const counters = new Map<string, WireCounter>();

/** The counter of this thread. */
export function wireCounter(way: WireWay, direction: WireDirection, call: string): WireCounter {
  const key = `${way} ${direction} ${call}`;
  let counter = counters.get(key);
  if (!counter) {
    counter = new WireCounter(way, direction, call);
    counters.set(key, counter);
  }
  return counter;
}

/** What this thread has counted, without what has carried nothing. */
export function wireTotals(): WireTotal[] {
  const used = [...counters.values()].filter(({ messages }) => messages > 0);
  return used.map(({ way, direction, call, messages, bytes, milliseconds }) => ({
    way,
    direction,
    call,
    messages,
    bytes,
    seconds: milliseconds / 1000,
  }));
}

/** Adds up what several threads have counted. */
export function addTotals(...threads: readonly (readonly WireTotal[])[]): WireTotal[] {
  const sums = new Map<string, WireTotal>();
  for (const total of threads.flat()) {
    const key = `${total.way} ${total.direction} ${total.call}`;
    const before = sums.get(key);
    sums.set(key, {
      ...total,
      messages: total.messages + (before?.messages ?? 0),
      bytes: total.bytes + (before?.bytes ?? 0),
      seconds: total.seconds + (before?.seconds ?? 0),
    });
  }
  return [...sums.values()];
}

/** What a worker was asked for and answered in one go. */
export type Exchange = "round" | "serial" | "picture";

/** Told what an exchange took beyond the worker's own seconds. */
export type ExchangeObserver = (exchange: Exchange, seconds: number) => void;

let observer: ExchangeObserver | undefined;

/** Has this process's exchanges told to somebody; undefined: to nobody. */
export function observeExchanges(next: ExchangeObserver | undefined): void {
  observer = next;
}

/**
 * An exchange has ended well.
 * @param started when it began, milliseconds of `performance.now`
 * @param seconds that the worker says it worked
 */
export function tellExchange(exchange: Exchange, started: number, seconds: number): void {
  observer?.(exchange, Math.max(0, (performance.now() - started) / 1000 - seconds));
}
