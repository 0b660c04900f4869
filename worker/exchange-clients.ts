/** Channels to the coordinators this worker has slices of; kept, since every slice of a coordinator uses the same. */

import type { ChannelCredentials } from "@grpc/grpc-js";
import type { ExchangeClient } from "../shared/wire/generated/deqfleet/v1/Exchange.js";
import { channelOptions, protocol } from "../shared/wire/protocol.js";

/** Clients of the Exchange service by address. */
export class ExchangeClients {
  readonly #clients = new Map<string, ExchangeClient>();
  readonly #credentials: ChannelCredentials;

  constructor(credentials: ChannelCredentials) {
    this.#credentials = credentials;
  }

  to(address: string): ExchangeClient {
    const known = this.#clients.get(address);
    if (known) return known;
    const client = new protocol.Exchange(address, this.#credentials, channelOptions);
    this.#clients.set(address, client);
    return client;
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }
}
