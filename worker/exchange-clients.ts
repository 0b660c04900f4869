/** Channels to the coordinators this worker has slices of; kept, since every slice of a coordinator uses the same. */

import type { TransportSecurity } from "../shared/security/transport-security.js";
import type { ExchangeClient } from "../shared/wire/generated/deqfleet/v1/Exchange.js";
import { channelOptions, protocol } from "../shared/wire/protocol.js";

/** Clients of the Exchange service by address. */
export class ExchangeClients {
  readonly #clients = new Map<string, ExchangeClient>();
  readonly #security: TransportSecurity;

  constructor(security: TransportSecurity) {
    this.#security = security;
  }

  to(address: string): ExchangeClient {
    const known = this.#clients.get(address);
    if (known) return known;
    const { channel, channelOptions: secure } = this.#security;
    const client = new protocol.Exchange(address, channel, { ...channelOptions, ...secure });
    this.#clients.set(address, client);
    return client;
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }
}
