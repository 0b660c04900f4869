/**
 * Parses Python pickles into plain data, executing nothing.
 *
 * 1. A pickle is a program for a stack machine; here it may build containers, numbers, text and the objects of
 *    pickle-names.ts, and refer to storages. Any other name or opcode ends the parse.
 * 2. Memory is bounded by the pickle's size, which is bounded itself: containers, memo entries and open marks are counted,
 *    lengths are checked before they are believed, and nothing is copied that a few bytes could ask to be copied again.
 * 3. Nothing recurses over the values' depth.
 *
 * Source: CPython Lib/pickletools.py (opcodes of the protocols 2 to 5), torch/serialization.py (persistent ids).
 */
import { InputError } from "../errors.js";
import { storageOf, typeName } from "./persistent-id.js";
import { PickleCursor } from "./pickle-cursor.js";
import { allowedName, WrongArguments } from "./pickle-names.js";
import { opcodes, unusedOpcodes } from "./pickle-opcodes.js";
import { readScalar } from "./pickle-scalars.js";
import { PickleStack } from "./pickle-stack.js";
import {
  described,
  InertObject,
  PickleDict,
  PickleList,
  PickleName,
  PickleTuple,
  type PickleValue,
  type StorageReference,
} from "./pickle-values.js";

/** Largest pickle that is parsed, in bytes; 566 tensors take 60 KiB. */
export const maxPickleBytes = 32 * 2 ** 20;

/** Values remembered for later reference; a tensor takes 7. */
const maxMemo = 2_000_000;

/** A parsed pickle. */
export interface ParsedPickle {
  readonly value: PickleValue;
  /** Position after it. */
  readonly end: number;
  /** Every storage it refers to, by key. */
  readonly storages: ReadonlyMap<string, StorageReference>;
}

/**
 * Parses the pickle that starts at `start`.
 * @param bytes bytes holding the pickle, more may follow
 * @param source the file's name, for messages
 * @throws PickleEndsEarly if `bytes` end inside the pickle; InputError if it is damaged, too large or holds anything that is
 *   not allowed, by name
 */
export function parsePickle(bytes: Uint8Array, start: number, source: string): ParsedPickle {
  const cursor = new PickleCursor(bytes, start, source);
  const machine = new PickleMachine(cursor, source);
  const value = machine.run();
  return { value, end: cursor.position, storages: machine.storages };
}

class PickleMachine {
  readonly storages = new Map<string, StorageReference>();
  readonly #cursor: PickleCursor;
  readonly #source: string;
  readonly #stack: PickleStack;
  readonly #memo = new Map<number, PickleValue>();

  constructor(cursor: PickleCursor, source: string) {
    this.#cursor = cursor;
    this.#source = source;
    this.#stack = new PickleStack((why) => this.#damaged(why));
  }

  run(): PickleValue {
    for (;;) {
      const opcode = this.#cursor.uint8();
      if (opcode === opcodes.STOP) return this.#stack.last();
      this.#step(opcode);
    }
  }

  #step(opcode: number): void {
    const scalar = readScalar(opcode, this.#cursor);
    if (scalar !== undefined) {
      this.#stack.push(scalar);
      return;
    }
    const object = this.#object(opcode);
    if (object !== undefined) {
      this.#stack.pushObject(object);
      return;
    }
    this.#act(opcode);
  }

  /** Opcodes that push a container, an object or a storage. */
  #object(opcode: number): PickleValue | undefined {
    const stack = this.#stack;
    switch (opcode) {
      case opcodes.TUPLE1:
        return new PickleTuple(stack.take(1));
      case opcodes.TUPLE2:
        return new PickleTuple(stack.take(2));
      case opcodes.TUPLE3:
        return new PickleTuple(stack.take(3));
      case opcodes.TUPLE:
        return new PickleTuple(stack.popMark());
      case opcodes.EMPTY_LIST:
      case opcodes.EMPTY_SET:
        return new PickleList();
      case opcodes.LIST:
      case opcodes.FROZENSET:
        return extended(new PickleList(), stack.popMark());
      case opcodes.EMPTY_DICT:
        return new PickleDict();
      case opcodes.DICT:
        return this.#filled(new PickleDict(), stack.popMark());
      case opcodes.REDUCE:
      case opcodes.NEWOBJ:
        return this.#made(...(stack.take(2) as [PickleValue, PickleValue]));
      case opcodes.BINPERSID:
        return this.#storage(...(stack.take(1) as [PickleValue]));
      case opcodes.OBJ:
        throw this.#refused(`an object of ${described(stack.popMark()[0])} (made by OBJ)`);
      default:
        return undefined;
    }
  }

  /** All other opcodes: names, the memo, and what changes the stack or the object on top of it. */
  #act(opcode: number): void {
    const stack = this.#stack;
    const cursor = this.#cursor;
    switch (opcode) {
      case opcodes.PROTO:
        this.#requireProtocol(cursor.uint8());
        break;
      case opcodes.FRAME:
        // A frame announces the length of what follows, opcodes like all others.
        cursor.uint64();
        break;
      case opcodes.MARK:
        stack.mark();
        break;
      case opcodes.POP:
        stack.drop();
        break;
      case opcodes.POP_MARK:
        stack.popMark();
        break;
      case opcodes.DUP:
        stack.push(stack.top());
        break;
      case opcodes.APPEND:
        this.#append(stack.take(1));
        break;
      case opcodes.APPENDS:
      case opcodes.ADDITEMS:
        this.#append(stack.popMark());
        break;
      case opcodes.SETITEM:
        this.#setItems(stack.take(2));
        break;
      case opcodes.SETITEMS:
        this.#setItems(stack.popMark());
        break;
      case opcodes.BUILD:
        this.#build(...(stack.take(1) as [PickleValue]));
        break;
      case opcodes.BINPUT:
        this.#memorize(cursor.uint8());
        break;
      case opcodes.LONG_BINPUT:
        this.#memorize(cursor.uint32());
        break;
      case opcodes.MEMOIZE:
        this.#memorize(this.#memo.size);
        break;
      case opcodes.BINGET:
        stack.push(this.#remembered(cursor.uint8()));
        break;
      case opcodes.LONG_BINGET:
        stack.push(this.#remembered(cursor.uint32()));
        break;
      case opcodes.GLOBAL:
        stack.push(this.#name(cursor.line(), cursor.line()));
        break;
      case opcodes.STACK_GLOBAL:
        stack.push(this.#name(...(stack.take(2) as [PickleValue, PickleValue])));
        break;
      case opcodes.INST:
        throw this.#refused(`${cursor.line()}.${cursor.line()} (made by INST)`);
      default:
        throw this.#refused(
          `the opcode ${unusedOpcodes.get(opcode) ?? `0x${opcode.toString(16).padStart(2, "0")}`}`,
        );
    }
  }

  #requireProtocol(protocol: number): void {
    if (protocol > 5) throw this.#damaged(`pickle protocol ${protocol} is unknown (2 to 5 are read)`);
  }

  #memorize(index: number): void {
    if (this.#memo.size >= maxMemo) throw this.#damaged(`it memorizes more than ${maxMemo} values`);
    this.#memo.set(index, this.#stack.top());
  }

  #remembered(index: number): PickleValue {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.#damaged(`it asks for the memo entry ${index}, which does not exist`);
    return value;
  }

  #filled(dict: PickleDict, pairs: readonly PickleValue[]): PickleDict {
    if (pairs.length % 2 !== 0) throw this.#damaged("a dict has a key without a value");
    for (let i = 0; i < pairs.length; i += 2) dict.entries.set(pairs[i]!, pairs[i + 1]!);
    return dict;
  }

  #append(items: readonly PickleValue[]): void {
    const list = this.#stack.top();
    if (!(list instanceof PickleList)) throw this.#damaged(`it appends to ${described(list)}`);
    extended(list, items);
  }

  #setItems(pairs: readonly PickleValue[]): void {
    const dict = this.#stack.top();
    if (!(dict instanceof PickleDict)) throw this.#damaged(`it sets items of ${described(dict)}`);
    this.#filled(dict, pairs);
  }

  #name(module: PickleValue, name: PickleValue): PickleName {
    if (typeof module !== "string" || typeof name !== "string") throw this.#damaged("a name is no text");
    const allowed = allowedName(module, name);
    if (allowed === undefined) throw this.#refused(`${module}.${name}`);
    return allowed;
  }

  #made(callable: PickleValue, args: PickleValue): PickleValue {
    if (!(callable instanceof PickleName)) throw this.#damaged(`it calls ${described(callable)}`);
    if (!(args instanceof PickleTuple))
      throw this.#damaged(`it calls ${callable.name} without a tuple of arguments`);
    const { name, make } = callable;
    if (make === undefined) throw this.#refused(`a call of ${name}`);
    return this.#checked(`a call of ${name}`, () => make(args.items));
  }

  #checked<T>(what: string, make: () => T): T {
    try {
      return make();
    } catch (thrown) {
      if (!(thrown instanceof WrongArguments)) throw thrown;
      throw this.#refused(`${what} (${thrown.message})`);
    }
  }

  /** Sets attributes. Those of dicts (`_metadata` of a state dict) and of inert objects mean nothing to an import. */
  #build(state: PickleValue): void {
    const object = this.#stack.top();
    if (object instanceof InertObject || state === null) return;
    if (!(object instanceof PickleDict && state instanceof PickleDict)) {
      throw this.#refused(`a BUILD of ${described(object)} from ${described(state)}`);
    }
    if (!object.isNamespace) return;
    this.#stack.count(state.entries.size);
    for (const [key, value] of state.entries) object.entries.set(key, value);
  }

  /** One key is one storage: a second type or size under it would be another reading of the same bytes. */
  #storage(id: PickleValue): StorageReference {
    const storage = this.#checked("a persistent id", () => storageOf(id));
    const { key, elements } = storage;
    const first = this.storages.get(key);
    if (first === undefined) this.storages.set(key, storage);
    else if (typeName(first) !== typeName(storage) || first.elements !== elements) {
      throw this.#damaged(
        `storage ${key} is ${first.elements} ${typeName(first)} and ${elements} ${typeName(storage)}`,
      );
    }
    return storage;
  }

  #damaged(why: string): InputError {
    return new InputError(
      `${this.#source}: the pickle is damaged or no checkpoint's: ${why} (before its byte ${this.#cursor.position})`,
    );
  }

  #refused(what: string): InputError {
    return new InputError(
      `${this.#source}: the pickle holds ${what}, which is not on the list of what a checkpoint may hold; nothing of it was executed. ` +
        "Save the weights alone, as safetensors or with torch.save(model.state_dict(), FILE)",
    );
  }
}

const extended = (list: PickleList, items: readonly PickleValue[]): PickleList => {
  for (const item of items) list.items.push(item);
  return list;
};
