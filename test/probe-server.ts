/** A gRPC server with one method, and calls to it: what tests of transport security and of interceptors talk to. */
import { promisify } from "node:util";
import {
  type ChannelCredentials,
  type ChannelOptions,
  Metadata,
  makeGenericClientConstructor,
  Server,
  type ServerCredentials,
  type ServerInterceptor,
  type ServiceDefinition,
} from "@grpc/grpc-js";

const asText = (bytes: Buffer): string => bytes.toString();
const asBytes = (text: string): Buffer => Buffer.from(text);
const method = (name: string) => ({
  path: `/test.Probe/${name}`,
  requestStream: false,
  responseStream: false,
  requestSerialize: asBytes,
  requestDeserialize: asText,
  responseSerialize: asBytes,
  responseDeserialize: asText,
});
/** `Echo` answers at once, `Hold` when it is let go. */
const probeService = { Echo: method("Echo"), Hold: method("Hold") } satisfies ServiceDefinition;
const ProbeClient = makeGenericClientConstructor(probeService, "Probe");

/** A listening server. */
export interface ProbeServer {
  readonly port: number;
  /** Calls of `Hold` that wait. */
  held(): number;
  letGo(): void;
  close(): void;
}

export async function startProbeServer(
  serverCredentials: ServerCredentials,
  interceptors: ServerInterceptor[] = [],
): Promise<ProbeServer> {
  const server = new Server({ interceptors });
  let waiting: (() => void)[] = [];
  server.addService(probeService, {
    Echo: (call: { request: string }, reply: (error: null, text: string) => void) =>
      reply(null, call.request),
    Hold: (call: { request: string }, reply: (error: null, text: string) => void) =>
      waiting.push(() => reply(null, call.request)),
  });
  const port = await promisify(server.bindAsync.bind(server))("127.0.0.1:0", serverCredentials);
  return {
    port,
    held: () => waiting.length,
    letGo: () => {
      for (const answer of waiting) answer();
      waiting = [];
    },
    close: () => server.forceShutdown(),
  };
}

/** One call. @throws ServiceError as gRPC made it */
export async function probe(
  port: number,
  channelCredentials: ChannelCredentials,
  {
    name = "Echo",
    token,
    options = {},
  }: { name?: "Echo" | "Hold"; token?: string; options?: ChannelOptions } = {},
): Promise<string> {
  const client = new ProbeClient(`127.0.0.1:${port}`, channelCredentials, options);
  const metadata = new Metadata();
  if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
  const { path, requestSerialize, responseDeserialize } = probeService[name];
  try {
    return await new Promise<string>((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        "hello",
        metadata,
        { deadline: Date.now() + 10_000 },
        (error, text) => (error ? reject(error) : resolve(text ?? "")),
      );
    });
  } finally {
    client.close();
  }
}
