/** A worker that says what the test tells it to: a real gRPC server without an engine. */
import { promisify } from "node:util";
import { Server, ServerCredentials, type ServerWritableStream, status } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { FrameReader } from "../shared/wire/frame-stream.js";
import type { HandshakeReply } from "../shared/wire/generated/deqfleet/v1/HandshakeReply.js";
import type { OpenSliceRequest__Output } from "../shared/wire/generated/deqfleet/v1/OpenSliceRequest.js";
import type { SliceCommand__Output } from "../shared/wire/generated/deqfleet/v1/SliceCommand.js";
import type { SliceEvent } from "../shared/wire/generated/deqfleet/v1/SliceEvent.js";
import type { WorkerHandlers } from "../shared/wire/generated/deqfleet/v1/Worker.js";
import {
  channelOptions,
  insecureChannel,
  protocol,
  protocolVersion,
  serverOptions,
} from "../shared/wire/protocol.js";

/** Answers one command with messages, or ends the slice by returning undefined. */
export type FakeAnswer = (command: SliceCommand__Output) => readonly SliceEvent[] | "silence" | "end";

/** How the worker behaves. */
export interface FakeWorkerScript {
  readonly handshake?: HandshakeReply | "silence";
  /** Called for every command but messages of tensors. Default: silence. */
  readonly answer?: FakeAnswer;
  /** What it says to a message of a tensor, before it reads the next one. Default: nothing, at once. */
  readonly onTensor?: () => Promise<readonly SliceEvent[]>;
}

/** Listens until closed. */
export class FakeWorker {
  readonly address: string;
  readonly #server: Server;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.address = `127.0.0.1:${port}`;
  }

  static async listen({
    handshake = {},
    answer = () => "silence",
    onTensor = async () => [],
  }: FakeWorkerScript): Promise<FakeWorker> {
    const server = new Server(serverOptions);
    const handlers: WorkerHandlers = {
      Handshake: (_call, reply) => {
        if (handshake === "silence") return;
        const usual = {
          protocolVersion,
          version: "0.0.0-fake",
          modelHash: "fake",
          sizeMultiple: 1,
          device: "fake",
        };
        reply(null, { ...usual, ...handshake });
      },
      RestorePicture: (_call, reply) => reply({ code: status.UNIMPLEMENTED }),
      MeasureCosts: (_call, reply) => reply({ code: status.UNIMPLEMENTED }),
      OpenSlice: (call) => {
        void followScript(call, answer, onTensor);
      },
    };
    server.addService(protocol.Worker.service, handlers);
    new HealthImplementation({ "": "SERVING" }).addToServer(server);
    const port = await promisify(server.bindAsync.bind(server))(
      "127.0.0.1:0",
      ServerCredentials.createInsecure(),
    );
    return new FakeWorker(server, port);
  }

  close(): void {
    this.#server.forceShutdown();
  }
}

async function followScript(
  call: ServerWritableStream<OpenSliceRequest__Output, SliceEvent>,
  answer: FakeAnswer,
  onTensor: () => Promise<readonly SliceEvent[]>,
): Promise<void> {
  const exchange = new protocol.Exchange(call.request.exchangeAddress, insecureChannel, channelOptions);
  const commands = exchange.followSlice({ token: call.request.token }, { deadline: Date.now() + 60_000 });
  call.on("cancelled", () => commands.cancel());
  const reader = new FrameReader<SliceCommand__Output>(commands);
  try {
    for (let command = await reader.next(); command; command = await reader.next()) {
      const said = command.setupTensor || command.chunk ? await onTensor() : answer(command);
      if (said === "end") break;
      if (said === "silence") continue;
      for (const event of said) call.write(event);
    }
  } catch {
    // The coordinator went away, as coordinators do.
  } finally {
    call.end();
    commands.cancel();
    exchange.close();
  }
}
