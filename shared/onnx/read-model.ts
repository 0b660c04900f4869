/**
 * Reads what a model file says about itself, of any size and from any exporter, without loading its weights: inputs,
 * outputs, nodes, the names and shapes of initializers, metadata.
 */
import { DeqfleetError, InputError } from "../errors.js";
import { describeTensor, type ModelTensor, readTensor, type TensorMessage } from "./model-tensor.js";
import {
  attributeCodes,
  type ElementType,
  elementTypeOf,
  graphFields,
  messageType,
  modelFields,
} from "./onnx-proto.js";
import { type WireField, WireFile } from "./wire-file.js";

/** An input or output. A dimension known at run time only is a name, "?" if it has none. */
export interface ModelValue {
  readonly name: string;
  readonly elementType: ElementType;
  readonly dims: readonly (number | string)[];
}

/** A node's attribute; subgraphs and other types deqfleet does not read are "unread". */
export type ModelAttribute =
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "text"; readonly value: string }
  | { readonly kind: "numbers"; readonly value: readonly number[] }
  | { readonly kind: "texts"; readonly value: readonly string[] }
  | { readonly kind: "tensor"; readonly value: ModelTensor }
  | { readonly kind: "unread" };

/** A node. An input left out has the empty name. */
export interface ModelNode {
  readonly name: string;
  readonly op: string;
  /** Empty for ONNX's own operators. */
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, ModelAttribute>;
}

/** A model file without its weights. */
export interface Model {
  readonly path: string;
  /** Size of the model file, without data files beside it. */
  readonly fileBytes: number;
  readonly irVersion: number;
  readonly producer: { readonly name: string; readonly version: string };
  /** Version of ONNX's own operator set. */
  readonly opset: number;
  readonly name: string;
  readonly inputs: readonly ModelValue[];
  readonly outputs: readonly ModelValue[];
  /** In the order of the file, which ONNX requires to be topological. */
  readonly nodes: readonly ModelNode[];
  readonly initializers: readonly ModelTensor[];
  readonly metadata: ReadonlyMap<string, string>;
}

interface ValueInfoMessage {
  readonly name: string;
  readonly type: {
    readonly tensorType: {
      readonly elemType: number;
      readonly shape: { readonly dim: readonly { dimValue?: number; dimParam?: string }[] } | null;
    } | null;
  } | null;
}

interface AttributeMessage {
  readonly name: string;
  readonly type: number;
  readonly f: number;
  readonly i: number;
  readonly s: Uint8Array;
  readonly t: TensorMessage | null;
  readonly floats: readonly number[];
  readonly ints: readonly number[];
  readonly strings: readonly Uint8Array[];
}

interface NodeMessage {
  readonly name: string;
  readonly opType: string;
  readonly domain: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute: readonly AttributeMessage[];
}

interface ModelMessage {
  readonly irVersion: number;
  readonly producerName: string;
  readonly producerVersion: string;
  readonly opsetImport: readonly { readonly domain: string; readonly version: number }[];
  readonly metadataProps: readonly { readonly key: string; readonly value: string }[];
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");

function decode<T>(name: "Model" | "Node" | "ValueInfo", bytes: Uint8Array, defaults = true): T {
  const type = messageType(name);
  return type.toObject(type.decode(bytes), { longs: Number, defaults, arrays: true }) as T;
}

function modelValue(bytes: Uint8Array): ModelValue {
  // Without defaults: a dimension of 0 and one without a value are different things.
  const { name = "", type } = decode<ValueInfoMessage>("ValueInfo", bytes, false);
  const elementType = elementTypeOf(type?.tensorType?.elemType ?? 0);
  if (elementType === undefined) throw new Error(`${name} is no tensor of a known element type`);
  const dims = type?.tensorType?.shape?.dim ?? [];
  return { name, elementType, dims: dims.map(({ dimValue, dimParam }) => dimValue ?? (dimParam || "?")) };
}

function attribute(message: AttributeMessage, source: string): ModelAttribute {
  switch (message.type) {
    case attributeCodes.float:
      return { kind: "number", value: message.f };
    case attributeCodes.int:
      return { kind: "number", value: message.i };
    case attributeCodes.string:
      return { kind: "text", value: text(message.s) };
    case attributeCodes.floats:
      return { kind: "numbers", value: message.floats };
    case attributeCodes.ints:
      return { kind: "numbers", value: message.ints };
    case attributeCodes.strings:
      return { kind: "texts", value: message.strings.map(text) };
    case attributeCodes.tensor:
      if (message.t) return { kind: "tensor", value: describeTensor(message.t, source) };
      break;
  }
  return { kind: "unread" };
}

function modelNode(bytes: Uint8Array, source: string): ModelNode {
  const { name, opType, domain, input, output, attribute: attributes } = decode<NodeMessage>("Node", bytes);
  return {
    name,
    op: opType,
    domain: domain === "ai.onnx" ? "" : domain,
    inputs: input,
    outputs: output,
    attributes: new Map(attributes.map((message) => [message.name, attribute(message, source)])),
  };
}

interface GraphParts {
  name: string;
  readonly inputs: ModelValue[];
  readonly outputs: ModelValue[];
  readonly nodes: ModelNode[];
  readonly initializers: ModelTensor[];
}

async function readGraph(file: WireFile, { start, end }: WireField): Promise<GraphParts> {
  const graph: GraphParts = { name: "", inputs: [], outputs: [], nodes: [], initializers: [] };
  for await (const field of file.fields(start, end)) {
    const bytes = () => file.bytes(field.start, field.end);
    if (field.wireType !== 2) continue;
    if (field.number === graphFields.initializer) graph.initializers.push(await readTensor(file, field));
    else if (field.number === graphFields.node) graph.nodes.push(modelNode(await bytes(), file.path));
    else if (field.number === graphFields.input) graph.inputs.push(modelValue(await bytes()));
    else if (field.number === graphFields.output) graph.outputs.push(modelValue(await bytes()));
    else if (field.number === graphFields.name) graph.name = text(await bytes());
  }
  return graph;
}

async function parse(file: WireFile): Promise<Model> {
  const parts: Uint8Array[] = [];
  let graph: GraphParts | undefined;
  let at = 0;
  for await (const field of file.fields(0, file.size)) {
    if (field.number !== modelFields.graph) parts.push(await file.bytes(at, field.end));
    else if (field.wireType === 2) graph = await readGraph(file, field);
    at = field.end;
  }
  const model = decode<ModelMessage>("Model", Buffer.concat(parts));
  const opset = model.opsetImport.find(({ domain }) => domain === "" || domain === "ai.onnx")?.version;
  if (graph === undefined || opset === undefined || model.irVersion === 0) {
    throw file.damaged(file.size, "no graph, no operator set or no format version up to the end");
  }
  const constants = new Set(graph.initializers.map(({ name }) => name));
  return {
    path: file.path,
    fileBytes: file.size,
    irVersion: model.irVersion,
    producer: { name: model.producerName, version: model.producerVersion },
    opset,
    ...graph,
    // Up to IR version 3, initializers are listed among the inputs.
    inputs: graph.inputs.filter(({ name }) => !constants.has(name)),
    metadata: new Map(model.metadataProps.map(({ key, value }) => [key, value])),
  };
}

/**
 * Reads a model file by position; memory does not grow with its weights.
 * @throws InputError naming the file if it cannot be read, is no ONNX model, or is cut off
 */
export async function readModel(path: string): Promise<Model> {
  const file = await WireFile.open(path);
  try {
    return await parse(file);
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    // protobufjs throws plain errors on bytes that are no message.
    throw new InputError(`${path} is no ONNX model, or it is damaged: ${DeqfleetError.messageOf(cause)}`, {
      cause,
    });
  } finally {
    await file.close();
  }
}
