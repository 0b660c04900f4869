/** One gRPC server of a process: its services are added one by one, with health and reflection beside them. */
import { promisify } from "node:util";
import {
  Server,
  ServerCredentials,
  type ServerInterceptor,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import { HealthImplementation } from "grpc-health-check";
import { DeqfleetError, InputError } from "../errors.js";
import { protocolDefinition, serverOptions } from "./protocol.js";

/** Services behind one port. */
export class GrpcServer {
  readonly #server: Server;
  readonly #credentials: ServerCredentials;
  readonly #health = new HealthImplementation({ "": "SERVING" });

  /**
   * @param credentials default: no transport security, for loopback and test networks
   * @param interceptors in the order in which calls meet them
   */
  constructor(
    credentials: ServerCredentials = ServerCredentials.createInsecure(),
    interceptors: ServerInterceptor[] = [],
  ) {
    this.#server = new Server({ ...serverOptions, interceptors });
    this.#credentials = credentials;
    this.#health.addToServer(this.#server);
    new ReflectionService(protocolDefinition).addToServer(this.#server);
  }

  /** Adds a service; before or after {@link listen}. */
  add(service: ServiceDefinition, handlers: UntypedServiceImplementation): void {
    this.#server.addService(service, handlers);
  }

  /**
   * Binds the address and serves.
   * @param address HOST:PORT; port 0 takes a free one
   * @returns the port
   * @throws InputError if the address cannot be bound
   */
  async listen(address: string): Promise<number> {
    try {
      return await promisify(this.#server.bindAsync.bind(this.#server))(address, this.#credentials);
    } catch (cause) {
      throw new InputError(
        `cannot listen on ${address}: ${DeqfleetError.messageOf(cause)}; is the port in use? Choose another --listen address`,
        { cause },
      );
    }
  }

  /** What the health service answers; watchers are told of a change. */
  setServing(serving: boolean): void {
    this.#health.setStatus("", serving ? "SERVING" : "NOT_SERVING");
  }

  /** Takes no more calls, lets those under way come to their end, and ends the server; what takes longer is cut off. */
  drain(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const cut = setTimeout(() => {
        this.close();
        resolve();
      }, milliseconds);
      this.#server.tryShutdown(() => {
        clearTimeout(cut);
        resolve();
      });
    });
  }

  /** Ends the server and every call under way. */
  close(): void {
    this.#server.forceShutdown();
  }
}
