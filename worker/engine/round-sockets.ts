/** The sockets by which a worker comes to coordinators of other machines for the rounds of its slices. */
import type { TlsSettings } from "../../shared/config/security-settings.js";
import { DeqfleetError } from "../../shared/errors.js";
import { dialSocket } from "../../shared/security/socket-security.js";
import { addressSchema } from "../../shared/wire/address.js";
import { type EventSocket, followRounds } from "../../shared/wire/round-socket.js";

/** Milliseconds for which an address that could not be reached is not tried again: a slice may have waited for it for seconds. */
const forgetMilliseconds = 600_000;

/** Dials coordinators; tells every ten minutes and address that one cannot be reached. */
export class RoundSockets {
  readonly #tls: TlsSettings | null;
  readonly #onUnreachable: (address: string, reason: string) => void;
  readonly #now: () => number;
  /** Until when an address is not tried. */
  readonly #unreachable = new Map<string, number>();

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
    if ((this.#unreachable.get(address) ?? Number.NEGATIVE_INFINITY) > this.#now()) return undefined;
    let reason = "it does not answer";
    try {
      const socket = dialSocket(address, this.#tls);
      socket.once("error", (error) => {
        reason = DeqfleetError.messageOf(error);
      });
      const found = await followRounds(socket, token);
      if (found) return found;
    } catch (error) {
      reason = DeqfleetError.messageOf(error);
    }
    this.#unreachable.set(address, this.#now() + forgetMilliseconds);
    this.#onUnreachable(address, reason);
    return undefined;
  }
}
