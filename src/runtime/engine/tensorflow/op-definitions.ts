/** How many outputs ops have and which attributes, as the opened library itself tells it. */
import type { Address, NativeLibrary } from './c-api.js';
import { check } from './status.js';
import { bytesIn, decode, textOf } from './protobuf.js';

/** `TF_NOT_FOUND` (tensorflow/c/tf_status.h). */
const notFound = 5;

export interface OpDefinition {
  readonly name: string;
  readonly outputs: number;
  readonly attributes: ReadonlyMap<string, string>;
}

/** Definitions of ops (tensorflow/core/framework/op_def.proto), each read when it is first asked for: there are thousands. */
export class OpDefinitions {
  readonly #read = new Map<string, OpDefinition>();
  /** The library answers for a graph; this one stays empty. */
  readonly #graph: Address;

  constructor(private readonly library: NativeLibrary) {
    this.#graph = library.api.TF_NewGraph();
  }

  /** The definition of an op, or undefined where the library has none of that name; `status` is the call's. */
  get(name: string, status: Address): OpDefinition | undefined {
    const known = this.#read.get(name);
    if (known !== undefined) return known;
    const { api, read, buffer } = this.library;
    const message = api.TF_NewBuffer();
    try {
      api.TF_GraphGetOpDef(this.#graph, name, message, status);
      if (api.TF_GetCode(status) === notFound) return undefined;
      check(api, status, name);
      const { data, length } = buffer(message);
      const definition = readOp(new Uint8Array(read(data, length)));
      this.#read.set(name, definition);
      return definition;
    } finally {
      api.TF_DeleteBuffer(message);
    }
  }
}

function readOp(message: Uint8Array): OpDefinition {
  let name = '';
  let outputs = 0;
  const attributes = new Map<string, string>();
  for (const [field, value] of decode(message)) {
    if (field === 1) name = textOf(value);
    else if (field === 3) outputs += 1;
    else if (field === 4) {
      const [attribute, type] = readAttribute(bytesIn(value));
      attributes.set(attribute, type);
    }
  }
  return { name, outputs, attributes };
}

function readAttribute(message: Uint8Array): readonly [string, string] {
  let name = '';
  let type = '';
  for (const [field, value] of decode(message)) {
    if (field === 1) name = textOf(value);
    else if (field === 2) type = textOf(value);
  }
  return [name, type];
}
