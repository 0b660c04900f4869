/**
 * The coordinator's gRPC server: workers follow their slices' commands here, so that corrections flow from a server to
 * a client, whose receive window can hold a whole tensor.
 */
import { type ServerWritableStream, status } from "@grpc/grpc-js";
import type { TlsSettings } from "../../shared/config/security-settings.js";
import { RetryableError } from "../../shared/errors.js";
import { advertisedAddress, hostOf } from "../../shared/wire/address.js";
import { FrameWriter } from "../../shared/wire/frame-stream.js";
import type { ExchangeHandlers } from "../../shared/wire/generated/deqfleet/v1/Exchange.js";
import type { FollowSliceRequest__Output } from "../../shared/wire/generated/deqfleet/v1/FollowSliceRequest.js";
import type { SliceCommand } from "../../shared/wire/generated/deqfleet/v1/SliceCommand.js";
import { GrpcServer } from "../../shared/wire/grpc-server.js";
import { protocol } from "../../shared/wire/protocol.js";
import { RoundHall } from "../../shared/wire/round-hall.js";

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
  /** Where workers reach it, HOST:PORT. */
  readonly address: string;
  readonly #server: GrpcServer;
  readonly #feeds = new Map<string, CommandFeed>();
  /** Opened when the first slice with a lane asks for it. */
  #hall: Promise<RoundHall | undefined> | undefined;
  #closed = false;
  /** For workers of other machines. */
  #rounds: { readonly hall: RoundHall; readonly address: string } | undefined;

  private constructor(server: GrpcServer, address: string) {
    this.#server = server;
    this.address = address;
    const handlers: ExchangeHandlers = {
      FollowSlice: (call) => {
        const feed = this.#feeds.get(call.request.token);
        // A token is used once; a second follower, or a stranger, learns nothing.
        this.#feeds.delete(call.request.token);
        if (feed) feed.follow(call);
        else call.emit("error", { code: status.NOT_FOUND, details: "no slice of that token is open" });
      },
    };
    server.add(protocol.Exchange.service, handlers);
  }

  /**
   * A server with nothing else on it.
   * @param listen host:port; port 0 takes a free one
   * @throws InputError if the address cannot be bound
   */
  static async listen(listen: string): Promise<ExchangeServer> {
    const server = new GrpcServer();
    return new ExchangeServer(server, advertisedAddress(listen, await server.listen(listen), null));
  }

  /**
   * The exchange as one service among others.
   * @param address under which workers reach that server
   */
  static on(server: GrpcServer, address: string): ExchangeServer {
    return new ExchangeServer(server, address);
  }

  /** Announces a slice: whoever names the token gets its commands. */
  announce(token: string): CommandFeed {
    const feed = new CommandFeed();
    this.#feeds.set(token, feed);
    return feed;
  }

  /** Where workers of this machine come for rounds; undefined if that cannot be. @param folder of the lanes */
  laneHall(folder: string): Promise<RoundHall | undefined> {
    if (this.#closed) return Promise.resolve(undefined);
    this.#hall ??= RoundHall.inFolder(folder);
    return this.#hall;
  }

  /**
   * Has workers of other machines come for their rounds by a socket of their own.
   * @param listen HOST:PORT; port 0 takes a free one
   * @param tls files of this process; null: nothing is encrypted
   * @throws InputError if the address cannot be bound
   */
  async openRounds(listen: string, tls: TlsSettings | null): Promise<void> {
    const hall = await RoundHall.listen(listen, tls);
    this.#rounds = { hall, address: `${hostOf(this.address)}:${hall.name}` };
  }

  /** Where workers of other machines come for rounds; undefined: nowhere, rounds travel in gRPC messages. */
  get rounds(): { readonly hall: RoundHall; readonly address: string } | undefined {
    return this.#rounds;
  }

  /** Forgets a slice nobody followed. */
  withdraw(token: string): void {
    this.#feeds.delete(token);
  }

  /** Ends the server, with whatever else is on it. */
  close(): void {
    this.#closed = true;
    this.#server.close();
    this.#rounds?.hall.close();
    void this.#hall?.then((hall) => hall?.close());
  }
}
