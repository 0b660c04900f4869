/**
 * The part of the ONNX file format deqfleet writes and reads, as protobuf messages.
 *
 * Field numbers: the ONNX IR specification (onnx/onnx, onnx/onnx.proto), IR version 8.
 */
import protobuf from "protobufjs";

/** Element types of tensors by the field's name, with ONNX's code (TensorProto.DataType). */
export const elementCodes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
} as const;

/** An element type's name. */
export type ElementType = keyof typeof elementCodes;

const elementNames = new Map<number, ElementType>(
  Object.entries(elementCodes).map(([name, code]) => [code, name as ElementType]),
);

/** The name of an element type's code, undefined where ONNX has a type deqfleet has no name for. */
export const elementTypeOf = (code: number): ElementType | undefined => elementNames.get(code);

const bytesByType: Readonly<Partial<Record<ElementType, number>>> = {
  float32: 4,
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  int32: 4,
  int64: 8,
  bool: 1,
  float16: 2,
  float64: 8,
  uint32: 4,
  uint64: 8,
  bfloat16: 2,
};

/** Bytes of one element in raw_data; 0 for strings, which have no fixed size. */
export const elementBytes = (type: ElementType): number => bytesByType[type] ?? 0;

/** Codes of AttributeProto.AttributeType. */
export const attributeCodes = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  floats: 6,
  ints: 7,
  strings: 8,
} as const;

/** TensorProto.DataLocation: the values lie in another file. */
export const externalLocation = 1;

/** Field numbers of the messages that are walked by position because they hold the weights. */
export const modelFields = {
  irVersion: 1,
  producerName: 2,
  producerVersion: 3,
  graph: 7,
  opset: 8,
  metadata: 14,
} as const;
export const graphFields = { node: 1, name: 2, initializer: 5, input: 11, output: 12 } as const;
export const tensorFields = {
  dims: 1,
  dataType: 2,
  floatData: 4,
  int32Data: 5,
  int64Data: 7,
  name: 8,
  rawData: 9,
  doubleData: 10,
  uint64Data: 11,
} as const;

const field = (id: number, type: string, rule?: "repeated") => ({ id, type, ...(rule ? { rule } : {}) });

const root = protobuf.Root.fromJSON({
  nested: {
    Opset: { fields: { domain: field(1, "string"), version: field(2, "int64") } },
    StringEntry: { fields: { key: field(1, "string"), value: field(2, "string") } },
    Dimension: { fields: { dimValue: field(1, "int64"), dimParam: field(2, "string") } },
    Shape: { fields: { dim: field(1, "Dimension", "repeated") } },
    TensorType: { fields: { elemType: field(1, "int32"), shape: field(2, "Shape") } },
    Type: { fields: { tensorType: field(1, "TensorType") } },
    ValueInfo: { fields: { name: field(1, "string"), type: field(2, "Type") } },
    Tensor: {
      fields: {
        dims: field(tensorFields.dims, "int64", "repeated"),
        dataType: field(tensorFields.dataType, "int32"),
        floatData: field(tensorFields.floatData, "float", "repeated"),
        int32Data: field(tensorFields.int32Data, "int32", "repeated"),
        int64Data: field(tensorFields.int64Data, "int64", "repeated"),
        name: field(tensorFields.name, "string"),
        rawData: field(tensorFields.rawData, "bytes"),
        doubleData: field(tensorFields.doubleData, "double", "repeated"),
        uint64Data: field(tensorFields.uint64Data, "uint64", "repeated"),
        externalData: field(13, "StringEntry", "repeated"),
        dataLocation: field(14, "int32"),
      },
    },
    Attribute: {
      fields: {
        name: field(1, "string"),
        f: field(2, "float"),
        i: field(3, "int64"),
        s: field(4, "bytes"),
        t: field(5, "Tensor"),
        floats: field(7, "float", "repeated"),
        ints: field(8, "int64", "repeated"),
        strings: field(9, "bytes", "repeated"),
        type: field(20, "int32"),
      },
    },
    Node: {
      fields: {
        input: field(1, "string", "repeated"),
        output: field(2, "string", "repeated"),
        name: field(3, "string"),
        opType: field(4, "string"),
        attribute: field(5, "Attribute", "repeated"),
        domain: field(7, "string"),
      },
    },
    Graph: {
      fields: {
        node: field(graphFields.node, "Node", "repeated"),
        name: field(graphFields.name, "string"),
        input: field(graphFields.input, "ValueInfo", "repeated"),
        output: field(graphFields.output, "ValueInfo", "repeated"),
      },
    },
    Model: {
      fields: {
        irVersion: field(modelFields.irVersion, "int64"),
        producerName: field(modelFields.producerName, "string"),
        producerVersion: field(modelFields.producerVersion, "string"),
        opsetImport: field(modelFields.opset, "Opset", "repeated"),
        metadataProps: field(modelFields.metadata, "StringEntry", "repeated"),
      },
    },
  },
});

/** Messages by name. `Model` here has no graph and `Graph` no initializers: these are laid out by position. */
export const messageType = (name: "Model" | "Graph" | "Node" | "Tensor" | "ValueInfo"): protobuf.Type =>
  root.lookupType(name);

/** Encodes `value` as the message `name`. */
export const encodeMessage = (
  name: "Model" | "Graph" | "Node" | "Tensor" | "ValueInfo",
  value: object,
): Uint8Array => {
  const type = messageType(name);
  return type.encode(type.fromObject(value)).finish();
};
