/**
 * The coordinator's gRPC server: workers follow their slices' commands here, so that corrections flow from a server to
 * a client, whose receive window can hold a whole tensor.
 */
import { promisify } from "node:util";
import { Server, ServerCredentials, type ServerWritableStream, status } from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import { HealthImplementation } from "grpc-health-check";
import { DeqfleetError, InputError, RetryableError } from "../../shared/errors.js";
import { FrameWriter } from "../../shared/wire/frame-stream.js";
import type { ExchangeHandlers } from "../../shared/wire/generated/deqfleet/v1/Exchange.js";
import type { FollowSliceRequest__Output } from "../../shared/wire/generated/deqfleet/v1/FollowSliceRequest.js";
import type { SliceCommand } from "../../shared/wire/generated/deqfleet/v1/SliceCommand.js";
import { LaneHall } from "../../shared/wire/lane-socket.js";
import { protocol, protocolDefinition, serverOptions } from "../../shared/wire/protocol.js";

type FollowCall = ServerWritableStream<FollowSliceRequest__Output, SliceCommand>;

/** The commands of one slice, on their way to its worker. */
export class CommandFeed {
  #call: FollowCall | undefined;
  readonly #writer: Promise<FrameWriter<SliceCommand>>;
  #attach: (writer: FrameWriter<SliceCommand>) => void = () => {};
  #abandon: (error: Error) => void = () => {};

  constructor() {
    this.#writer = new Promise((resolve, reject) => {
      this.#attach = resolve;
      this.#abandon = reject;
    });
    // A feed nobody ever writes to may be abandoned without anybody listening.
    this.#writer.catch(() => {});
  }

  /** The worker has come for its commands. */
  follow(call: FollowCall): void {
    this.#call = call;
    this.#attach(new FrameWriter(call));
  }

  /** Waits for the worker, then writes. @throws RetryableError if the stream is closed */
  async write(commands: readonly SliceCommand[]): Promise<void> {
    await (await this.#writer).write(commands);
  }

  /** Ends the worker's stream: the slice is not wanted any more. */
  end(): void {
    this.#abandon(new RetryableError("the slice was closed"));
    this.#call?.end();
  }
}

/** Serves command feeds by token. */
export class ExchangeServer {
  readonly address: string;
  readonly #server: Server;
  readonly #feeds: Map<string, CommandFeed>;
  /** Opened when the first slice with a lane asks for it. */
  #hall: Promise<LaneHall | undefined> | undefined;

  private constructor(server: Server, feeds: Map<string, CommandFeed>, address: string) {
    this.#server = server;
    this.#feeds = feeds;
    this.address = address;
  }

  /**
   * @param listen host:port; port 0 takes a free one
   * @throws InputError if the address cannot be bound
   */
  static async listen(listen: string): Promise<ExchangeServer> {
    const feeds = new Map<string, CommandFeed>();
    const server = new Server(serverOptions);
    const handlers: ExchangeHandlers = {
      FollowSlice: (call) => {
        const feed = feeds.get(call.request.token);
        // A token is used once; a second follower, or a stranger, learns nothing.
        feeds.delete(call.request.token);
        if (feed) feed.follow(call);
        else call.emit("error", { code: status.NOT_FOUND, details: "no slice of that token is open" });
      },
    };
    server.addService(protocol.Exchange.service, handlers);
    new HealthImplementation({ "": "SERVING" }).addToServer(server);
    new ReflectionService(protocolDefinition).addToServer(server);
    let port: number;
    try {
      port = await promisify(server.bindAsync.bind(server))(listen, ServerCredentials.createInsecure());
    } catch (cause) {
      throw new InputError(
        `cannot listen on ${listen}: ${DeqfleetError.messageOf(cause)}; is the port in use? Choose another --listen address`,
        { cause },
      );
    }
    const host = listen.slice(0, listen.lastIndexOf(":"));
    return new ExchangeServer(server, feeds, `${host}:${port}`);
  }

  /** Announces a slice: whoever names the token gets its commands. */
  announce(token: string): CommandFeed {
    const feed = new CommandFeed();
    this.#feeds.set(token, feed);
    return feed;
  }

  /** Where workers of this machine come for rounds; undefined if that cannot be. @param folder of the lanes */
  laneHall(folder: string): Promise<LaneHall | undefined> {
    this.#hall ??= LaneHall.open(folder);
    return this.#hall;
  }

  /** Forgets a slice nobody followed. */
  withdraw(token: string): void {
    this.#feeds.delete(token);
  }

  close(): void {
    this.#server.forceShutdown();
    void this.#hall?.then((hall) => hall?.close());
  }
}
