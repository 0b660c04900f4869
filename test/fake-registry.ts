/** A coordinator that says what the test tells it to: a real gRPC server with a registry and nothing behind it. */
import type { Registration__Output } from "../shared/wire/generated/deqfleet/v1/Registration.js";
import type { RegistryHandlers } from "../shared/wire/generated/deqfleet/v1/Registry.js";
import type { RegistryOrder } from "../shared/wire/generated/deqfleet/v1/RegistryOrder.js";
import type { WorkerState__Output } from "../shared/wire/generated/deqfleet/v1/WorkerState.js";
import { GrpcServer } from "../shared/wire/grpc-server.js";
import { protocol } from "../shared/wire/protocol.js";

/** What it answers to the message number `index` of a call; undefined: nothing. "hang up" ends the call. */
export type RegistryScript = (
  message: WorkerState__Output,
  index: number,
) => RegistryOrder | "hang up" | undefined;

export class FakeRegistry {
  readonly address: string;
  /** Of every call, in order. */
  readonly registrations: Registration__Output[] = [];
  /** Messages of all calls. */
  readonly messages: WorkerState__Output[] = [];
  /** Calls that the worker's side has ended properly. */
  ended = 0;
  readonly #server: GrpcServer;

  private constructor(server: GrpcServer, address: string, script: RegistryScript) {
    this.#server = server;
    this.address = address;
    const handlers: RegistryHandlers = {
      Join: (call) => {
        let index = 0;
        call.on("error", () => {});
        call.on("data", (message: WorkerState__Output) => {
          this.messages.push(message);
          if (message.registration) this.registrations.push(message.registration);
          const order = script(message, index++);
          if (order === "hang up") call.end();
          else if (order) call.write(order);
        });
        call.on("end", () => {
          this.ended++;
          call.end();
        });
      },
      ListMembers: (_call, reply) => reply(null, { members: [] }),
    };
    server.add(protocol.Registry.service, handlers);
  }

  /** @param host of the loopback, to have several addresses with one port */
  static async listen(script: RegistryScript, host = "127.0.0.1", port = 0): Promise<FakeRegistry> {
    const server = new GrpcServer();
    const bound = await server.listen(`${host}:${port}`);
    return new FakeRegistry(server, `${host}:${bound}`, script);
  }

  close(): void {
    this.#server.close();
  }
}
