/** Channels to the coordinators this worker has slices of; kept, since every slice of a coordinator uses the same. */

import type { ExchangeClient } from "../shared/wire/generated/deqfleet/v1/Exchange.js";
import { channelOptions, insecureChannel, protocol } from "../shared/wire/protocol.js";

/** Clients of the Exchange service by address. */
export class ExchangeClients {
  readonly #clients = new Map<string, ExchangeClient>();

  to(address: string): ExchangeClient {
    const known = this.#clients.get(address);
    if (known) return known;
    const client = new protocol.Exchange(address, insecureChannel, channelOptions);
    this.#clients.set(address, client);
    return client;
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }
}
