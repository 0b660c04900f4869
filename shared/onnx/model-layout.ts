/**
 * How a model's bytes are laid out, before any weight is read: the encoded parts in the order of the file, with a
 * placeholder of known size wherever a weight's values go. Small constants stay inside the model even when weights lie in
 * a file of their own: shape inference needs their values.
 */
import { toFloat16 } from "./float16.js";
import {
  type Attributes,
  elementCount,
  type GraphContents,
  type GraphInitializer,
} from "./graph-contents.js";
import {
  attributeCodes,
  elementBytes,
  elementCodes,
  encodeMessage,
  externalLocation,
  graphFields,
  modelFields,
  tensorFields,
} from "./onnx-proto.js";

/** Values of a weight still to be read, and their place in the sequence of bytes. */
export interface PendingValues {
  readonly initializer: GraphInitializer;
  readonly byteLength: number;
}

/** Bytes of a file in order: known ones, and weights. */
export type Piece = Uint8Array | PendingValues;

/** The parts of a model, and of the file beside it when weights are kept outside. */
export interface ModelLayout {
  readonly model: readonly Piece[];
  readonly modelBytes: number;
  /** Empty when the model holds its weights itself. */
  readonly data: readonly Piece[];
  readonly dataBytes: number;
}

/** Values of 1 KiB and more may lie outside the model (the size other exporters use). */
const smallestExternal = 1024;

/** Each weight begins at a page of the data file, so that a runtime may map it. */
const alignment = 4096;

const lengthDelimited = 2;

/** A length-delimited field's tag and length. */
function header(fieldNumber: number, byteLength: number): Uint8Array {
  const bytes: number[] = [(fieldNumber << 3) | lengthDelimited];
  let rest = byteLength;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

const total = (pieces: readonly Piece[]): number => pieces.reduce((sum, piece) => sum + piece.byteLength, 0);

function attribute(name: string, value: Attributes[string]) {
  if (typeof value === "number") return { name, i: value, type: attributeCodes.int };
  if (typeof value === "string") return { name, s: Buffer.from(value), type: attributeCodes.string };
  if ("float" in value) return { name, f: value.float, type: attributeCodes.float };
  if ("floats" in value) return { name, floats: [...value.floats], type: attributeCodes.floats };
  return { name, ints: [...value], type: attributeCodes.ints };
}

const valueInfo = ({ name, elementType, dims }: GraphContents["inputs"][number]) => ({
  name,
  type: {
    tensorType: {
      elemType: elementCodes[elementType],
      shape: { dim: dims.map((d) => (typeof d === "number" ? { dimValue: d } : { dimParam: d })) },
    },
  },
});

/** Bytes an initializer's values take in the file. */
const byteLengthOf = ({ dims, elementType }: GraphInitializer): number =>
  elementCount(dims) * elementBytes(elementType);

const valuesOf = (initializer: GraphInitializer): Piece =>
  typeof initializer.values === "function"
    ? { initializer, byteLength: byteLengthOf(initializer) }
    : initializer.values;

/** Places weights in the data file, if there is one. */
class DataFile {
  readonly pieces: Piece[] = [];
  #end = 0;

  constructor(readonly location: string) {}

  /** Adds a weight and returns its offset. */
  add(values: Piece): number {
    const offset = Math.ceil(this.#end / alignment) * alignment;
    if (offset > this.#end) this.pieces.push(new Uint8Array(offset - this.#end));
    this.pieces.push(values);
    this.#end = offset + values.byteLength;
    return offset;
  }
}

function initializerPieces(initializer: GraphInitializer, dataFile: DataFile | undefined): Piece[] {
  const { name, dims, elementType } = initializer;
  const described = { name, dims: [...dims], dataType: elementCodes[elementType] };
  const values = valuesOf(initializer);
  if (dataFile !== undefined && values.byteLength >= smallestExternal) {
    const entries = {
      location: dataFile.location,
      offset: `${dataFile.add(values)}`,
      length: `${values.byteLength}`,
    };
    const tensor = encodeMessage("Tensor", {
      ...described,
      externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
      dataLocation: externalLocation,
    });
    return [header(graphFields.initializer, tensor.byteLength), tensor];
  }
  const start = encodeMessage("Tensor", described);
  const rawHeader = header(tensorFields.rawData, values.byteLength);
  const tensorBytes = start.byteLength + rawHeader.byteLength + values.byteLength;
  return [header(graphFields.initializer, tensorBytes), start, rawHeader, values];
}

/**
 * Lays out a model.
 * @param externalName name of the file beside the model that takes the weights; undefined keeps them in the model
 */
export function layoutModel(graph: GraphContents, externalName?: string): ModelLayout {
  const dataFile = externalName === undefined ? undefined : new DataFile(externalName);
  const graphPieces: Piece[] = [
    encodeMessage("Graph", {
      node: graph.nodes.map(({ attributes, ...node }) => ({
        ...node,
        attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
      })),
      name: graph.name,
      input: graph.inputs.map(valueInfo),
      output: graph.outputs.map(valueInfo),
    }),
    ...graph.initializers.flatMap((initializer) => initializerPieces(initializer, dataFile)),
  ];
  const model: Piece[] = [
    encodeMessage("Model", {
      irVersion: 8,
      producerName: "deqfleet",
      producerVersion: graph.producerVersion,
      opsetImport: [{ domain: "", version: graph.opset }],
      metadataProps: [...graph.metadata].map(([key, value]) => ({ key, value })),
    }),
    header(modelFields.graph, total(graphPieces)),
    ...graphPieces,
  ];
  const data = dataFile?.pieces ?? [];
  return { model, modelBytes: total(model), data, dataBytes: total(data) };
}

/**
 * Reads a weight and converts it to the bytes of the file.
 * @throws Error if the reader gives another number of values than the dimensions say
 * @throws InputError if a value does not fit float16
 */
export async function readPending({ initializer, byteLength }: PendingValues): Promise<Uint8Array> {
  const { name, dims, elementType, values } = initializer;
  if (typeof values !== "function") return values;
  const read = await values();
  if (read.length !== elementCount(dims)) {
    throw new Error(`weight ${name} [${dims.join(", ")}] was read as ${read.length} values`);
  }
  const encoded = elementType === "float16" ? toFloat16(read, name) : read;
  return new Uint8Array(encoded.buffer, encoded.byteOffset, byteLength);
}

const concatenated = (pieces: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(pieces));

const isBytes = (piece: Piece): piece is Uint8Array => piece instanceof Uint8Array;

/** The encoded model of a graph whose values are all in memory. */
export function encodeGraph(graph: GraphContents): Uint8Array {
  const { model } = layoutModel(graph);
  if (!model.every(isBytes)) {
    throw new Error(`graph ${graph.name} has weights to be read: use writeModel or encodeModel`);
  }
  return concatenated(model);
}

/** The encoded model in memory, weights read: for graphs that are run at once and never stored. */
export async function encodeModel(graph: { contents(): GraphContents }): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (const piece of layoutModel(graph.contents()).model) {
    pieces.push(isBytes(piece) ? piece : await readPending(piece));
  }
  return concatenated(pieces);
}
