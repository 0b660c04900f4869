/** The protocol's definition as gRPC gets it: with codecs that count what passes through them. */
import type { PackageDefinition, ServiceDefinition } from "@grpc/proto-loader";
import { wireCounter } from "./wire-traffic.js";

type Method = ServiceDefinition[string];

function countedMethod(name: string, method: Method): Method {
  const sent = wireCounter("grpc", "sent", name);
  const received = wireCounter("grpc", "received", name);
  const encode =
    <Message>(serialize: (message: Message) => Buffer) =>
    (message: Message): Buffer => {
      const started = performance.now();
      const bytes = serialize(message);
      sent.add(bytes.length, started);
      return bytes;
    };
  const decode =
    <Message>(deserialize: (bytes: Buffer) => Message) =>
    (bytes: Buffer): Message => {
      const started = performance.now();
      const message = deserialize(bytes);
      received.add(bytes.length, started);
      return message;
    };
  return {
    ...method,
    requestSerialize: encode(method.requestSerialize),
    requestDeserialize: decode(method.requestDeserialize),
    responseSerialize: encode(method.responseSerialize),
    responseDeserialize: decode(method.responseDeserialize),
  };
}

/** The same definition, whose messages are counted. */
export function countedDefinition(definition: PackageDefinition): PackageDefinition {
  const counted: PackageDefinition = {};
  for (const [name, entry] of Object.entries(definition)) {
    // Messages and enumerations say their format, services do not.
    const isService = !("format" in entry);
    counted[name] = isService
      ? Object.fromEntries(
          Object.entries(entry as ServiceDefinition).map(([call, method]) => [
            call,
            countedMethod(call, method),
          ]),
        )
      : entry;
  }
  return counted;
}
