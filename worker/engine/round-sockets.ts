/** The sockets by which a worker comes to coordinators of other machines for the rounds of its slices. */
import type { TlsSettings } from "../../shared/config/security-settings.js";
import { DeqfleetError } from "../../shared/errors.js";
import { dialSocket } from "../../shared/security/socket-security.js";
import { addressSchema } from "../../shared/wire/address.js";
import { type EventSocket, followRounds } from "../../shared/wire/round-socket.js";

/** Milliseconds for which an address that was not reached is not tried again, at first: a slice may have waited for it for seconds. */
const firstMilliseconds = 5_000;

/** Doubled with every further try, up to this. */
const mostMilliseconds = 600_000;

/** An address that was not reached the last time. */
interface Unreached {
  /** When it may be tried again. */
  readonly until: number;
  readonly wait: number;
}

/** Dials coordinators; tells when one cannot be reached, whenever it has tried. */
export class RoundSockets {
  readonly #tls: TlsSettings | null;
  readonly #onUnreachable: (address: string, reason: string) => void;
  readonly #now: () => number;
  readonly #unreached = new Map<string, Unreached>();

  /**
   * @param tls files of this process, null where nothing is encrypted
   * @param now milliseconds of a clock that never goes back
   */
  constructor(
    tls: TlsSettings | null,
    onUnreachable: (address: string, reason: string) => void,
    now: () => number = () => performance.now(),
  ) {
    this.#tls = tls;
    this.#onUnreachable = onUnreachable;
    this.#now = now;
  }

  /**
   * Comes for the rounds of a slice.
   * @param address HOST:PORT; empty: the coordinator has no such socket
   * @returns undefined if they have to travel in gRPC messages
   */
  async follow(address: string, token: string): Promise<EventSocket | undefined> {
    if (!addressSchema.safeParse(address).success) return undefined;
    const last = this.#unreached.get(address);
    if (last && last.until > this.#now()) return undefined;
    const found = await this.#dial(address, token);
    if (typeof found === "string") {
      const wait = Math.min(mostMilliseconds, last ? 2 * last.wait : firstMilliseconds);
      this.#unreached.set(address, { until: this.#now() + wait, wait });
      this.#onUnreachable(address, found);
      return undefined;
    }
    this.#unreached.delete(address);
    return found;
  }

  /** @returns the reason if nobody was reached; undefined if somebody was, who hung up: the slice is not wanted any more, or this worker not trusted */
  async #dial(address: string, token: string): Promise<EventSocket | string | undefined> {
    let reason = "it does not answer";
    try {
      const socket = dialSocket(address, this.#tls);
      socket.once("error", (error) => {
        reason = DeqfleetError.messageOf(error);
      });
      const found = await followRounds(socket, token);
      if (found === "refused") return undefined;
      return typeof found === "string" ? reason : found;
    } catch (error) {
      return DeqfleetError.messageOf(error);
    }
  }
}
