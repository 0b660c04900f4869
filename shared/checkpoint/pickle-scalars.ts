/** Opcodes that push a value which is no container. */
import type { PickleCursor } from "./pickle-cursor.js";
import { opcodes } from "./pickle-opcodes.js";
import { InertObject, PickleTuple, type PickleValue } from "./pickle-values.js";

const nothing = new PickleTuple([]);
const someBytes = new InertObject("bytes");

/** Bytes are passed over: no import needs them. */
const passBytes = (cursor: PickleCursor, length: number): InertObject => {
  cursor.bytes(length);
  return someBytes;
};

/**
 * Reads the value that an opcode pushes.
 * @returns undefined if the opcode is none of these
 * @throws PickleEndsEarly if the bytes end before the value; InputError if an integer is absurdly long
 */
export function readScalar(opcode: number, cursor: PickleCursor): PickleValue | undefined {
  switch (opcode) {
    case opcodes.NONE:
      return null;
    case opcodes.NEWTRUE:
      return true;
    case opcodes.NEWFALSE:
      return false;
    case opcodes.BININT:
      return cursor.int32();
    case opcodes.BININT1:
      return cursor.uint8();
    case opcodes.BININT2:
      return cursor.uint16();
    case opcodes.LONG1:
      return cursor.long(cursor.uint8());
    case opcodes.LONG4:
      return cursor.long(cursor.int32());
    case opcodes.BINFLOAT:
      return cursor.float64();
    case opcodes.SHORT_BINUNICODE:
      return cursor.text(cursor.uint8());
    case opcodes.BINUNICODE:
      return cursor.text(cursor.uint32());
    case opcodes.BINUNICODE8:
      return cursor.text(cursor.uint64());
    case opcodes.SHORT_BINSTRING:
      return cursor.latin1(cursor.uint8());
    case opcodes.BINSTRING:
      return cursor.latin1(cursor.int32());
    case opcodes.SHORT_BINBYTES:
      return passBytes(cursor, cursor.uint8());
    case opcodes.BINBYTES:
      return passBytes(cursor, cursor.uint32());
    case opcodes.BINBYTES8:
    case opcodes.BYTEARRAY8:
      return passBytes(cursor, cursor.uint64());
    case opcodes.EMPTY_TUPLE:
      return nothing;
    default:
      return undefined;
  }
}
