/** A graph that is being made, and the function that becomes of it. */
import { dims, graphSetters, setAttributes } from './attributes.js';
import type { Address, Output } from './c-api.js';
import { tf, tfType, type TfType } from './element-types.js';
import { Narrowing, type NarrowType } from './precision.js';
import type { Refusals } from './refusals.js';
import type { TensorFlow } from './runtime.js';
import {
  fixedNumbers,
  followNumbers,
  isNumbers,
  numbersOfInput,
  type KnownNumbers,
} from './known-numbers.js';
import {
  checkIndices,
  isList,
  single,
  type Attributes,
  type Elements,
  type Executor,
  type GraphValue,
  type RefuseIndex,
  type RequiredIndex,
  type Value,
} from './values.js';

/** Constants of at most so many bytes are kept once for each value. */
const sharedBytes = 64;

/** A function that the context knows. */
export class NativeFunction {
  #freed = false;

  constructor(
    private readonly tensorflow: TensorFlow,
    readonly name: string,
    readonly address: Address,
  ) {}

  dispose(): void {
    if (this.#freed) return;
    this.#freed = true;
    this.tensorflow.functions -= 1;
    const { library, context, status } = this.tensorflow;
    library.api.TFE_ContextRemoveFunction(context, this.name, status);
    library.api.TF_DeleteFunction(this.address);
    this.tensorflow.check(`removing ${this.name}`);
  }
}

/** Frees each, also where one before it could not be freed; then throws the first failure. */
export function disposeAll(all: Iterable<{ dispose(): void }>): void {
  const failures: unknown[] = [];
  for (const one of all) {
    try {
      one.dispose();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

/** What an input of a step must hold for its ops to mean something; looked at on the host before each run. */
export interface IndexRule {
  readonly numbers: KnownNumbers;
  readonly count: number;
  readonly refuse: RefuseIndex;
  /** Where its op came from, where stacks are kept. */
  readonly stack?: string | undefined;
}

export interface GraphOptions {
  /** Keeps where each operation came from: slow, and only needed when one has failed. */
  readonly keepStacks?: boolean;
  /** Computes what would be assigned, and assigns nothing. */
  readonly dry?: boolean;
  /** Whether XLA will compile it and nothing else: it leaves asserts out. */
  readonly xla?: boolean;
  /** Changes variables at the end of the step only, never in place before. */
  readonly atEndOnly?: boolean;
  /** The type that products are computed in; f32 unless given. */
  readonly narrow?: NarrowType | null;
}

export class Graph implements Executor {
  readonly #keepStacks: boolean;
  readonly #xla: boolean;
  readonly #narrowing: Narrowing | null;
  /** Rules for whole numbers that are inputs. */
  readonly rules: IndexRule[] = [];
  /** Whether an index is computed in the graph, where only the CPU's own ops look at it. */
  computesIndices = false;
  /** Operations that refuse indices. */
  readonly checks: Address[] = [];
  /** What they refuse, by their names. */
  readonly refusals = new Map<string, Refusals>();
  /** What tells one run of a loop from the others: a refusal says it. */
  clock: GraphValue | null = null;
  /** Numbers that the host knows, by the operation whose output holds them. */
  readonly #numbers = new Map<Address, KnownNumbers>();
  readonly #graph: Address;
  readonly #setters: ReturnType<typeof graphSetters>;
  readonly #inputs: GraphValue[] = [];
  readonly #effects: Address[] = [];
  readonly #constants = new Map<string, GraphValue>();
  #nodes = 0;
  #freed = false;

  /** Stacks of the operations by name, where the graph is made to find one. */
  readonly stacks = new Map<string, string>();

  constructor(
    readonly tensorflow: TensorFlow,
    options: GraphOptions = {},
  ) {
    this.#keepStacks = options.keepStacks ?? false;
    this.#xla = options.xla ?? false;
    this.#narrowing =
      options.narrow === undefined || options.narrow === null ? null : new Narrowing(options.narrow);
    const { api } = tensorflow.library;
    this.#graph = api.TF_NewGraph();
    this.#setters = graphSetters(api);
  }

  /** How often each op occurs. */
  readonly ops = new Map<string, number>();

  /** An input of the function, in the order of the calls. */
  input(type: TfType, shape: readonly number[]): GraphValue {
    const value = this.#add('Placeholder', [], { dtype: type, shape }, [])[0];
    if (value === undefined) throw new Error('an input has no output');
    this.#numbers.set(value.output.oper, numbersOfInput(this.#inputs.length, shape));
    this.#inputs.push(value);
    return value;
  }

  /** An input that is a variable. */
  resource(): GraphValue {
    const value = this.#add('Placeholder', [], { dtype: tf.resource, shape: [] }, [])[0];
    if (value === undefined) throw new Error('an input has no output');
    this.#inputs.push(value);
    return value;
  }

  /** The value of a variable, whose shape the graph cannot know by itself. */
  read(
    resource: GraphValue,
    type: TfType,
    shape: readonly number[],
    after: readonly Address[] = [],
  ): GraphValue {
    const { api } = this.tensorflow.library;
    const [unknown] = this.#add('ReadVariableOp', [resource], { dtype: type }, after, true);
    if (unknown === undefined) throw new Error('ReadVariableOp has no output');
    api.TF_GraphSetTensorShape(
      this.#graph,
      unknown.output,
      dims(shape),
      shape.length,
      this.tensorflow.status,
    );
    this.tensorflow.check('ReadVariableOp');
    return { ...unknown, shape: [...shape] };
  }

  /** An op without outputs that runs at each call, after the operations of `after`. Returns its own. */
  effect(
    name: string,
    inputs: readonly (Value | readonly Value[])[],
    attributes: Attributes,
    after: readonly Address[] = [],
  ): Address {
    this.#add(name, inputs, attributes, after);
    const last = this.#last;
    if (last !== null) this.#effects.push(last);
    return last;
  }

  #last: Address = null;

  op(
    name: string,
    inputs: readonly (Value | readonly Value[])[],
    attributes: Attributes = {},
  ): readonly GraphValue[] {
    const add = (op: string, given: typeof inputs, rest: Attributes): readonly GraphValue[] =>
      this.#add(op, given, rest, []);
    const made = this.#narrowing?.apply(name, inputs, attributes, add) ?? add(name, inputs, attributes);
    const [result] = made;
    // Truths are no indices; what they are cast from holds other numbers.
    if (result !== undefined && result.shape !== null && result.type !== tf.bool) {
      const given = inputs
        .flat()
        .map((input) => (input.kind === 'eager' ? null : (this.#numbers.get(input.output.oper) ?? null)));
      const numbers = followNumbers(name, given, result.shape);
      if (numbers !== null) this.#numbers.set(result.output.oper, numbers);
    }
    return made;
  }

  tidy<T extends Value | readonly Value[]>(body: () => T): T {
    return body();
  }

  requireIndex(value: Value, count: number, refuse: RefuseIndex): RequiredIndex {
    const numbers = value.kind === 'graph' ? this.#numbers.get(value.output.oper) : undefined;
    if (numbers === undefined) return this.#assertIndex(value, count, refuse);
    const stack = this.#keepStacks ? new Error('here').stack : undefined;
    if (numbers.fixed) checkIndices(numbers.read([]), count, refuse);
    else this.rules.push({ numbers, count, refuse, stack });
    return { indices: value, inside: null };
  }

  /** Numbers that only the device knows: it refuses them itself. XLA leaves such tests out: then which are inside is returned. */
  #assertIndex(value: Value, count: number, refuse: RefuseIndex): RequiredIndex {
    this.computesIndices = true;
    const int = (one: number): Value => this.constant(tf.i32, [], Int32Array.of(one));
    const axes = this.constant(
      tf.i32,
      [value.shape?.length ?? 0],
      Int32Array.from(value.shape ?? [], (_, axis) => axis),
    );
    const inside = single(this, 'LogicalAnd', [
      single(this, 'GreaterEqual', [value, int(0)]),
      single(this, 'Less', [value, int(count)]),
    ]);
    // All of them: the error is made of what is printed.
    const printed = [...(this.clock === null ? [] : [this.clock]), value];
    const all = single(this, 'All', [inside, axes]);
    const name = `Assert_${this.#nodes}`;
    const check = this.effect('Assert', [all, printed], { summarize: -1 });
    this.checks.push(check);
    this.refusals.set(name, { count, refuse });
    // What picks by them waits: its own error would say less.
    const [checked] = this.#add('Identity', [value], {}, [check]);
    return { indices: checked ?? value, inside: this.#xla ? inside : null };
  }

  constant(type: TfType, shape: readonly number[], elements: Elements): GraphValue {
    const bytes = elements.byteLength;
    const key =
      bytes > sharedBytes
        ? null
        : `${type}[${shape.join()}]${Buffer.from(elements.buffer, elements.byteOffset, bytes).toString('latin1')}`;
    const known = key === null ? undefined : this.#constants.get(key);
    if (known !== undefined) return known;
    const { api } = this.tensorflow.library;
    const { status } = this.tensorflow;
    const tensor = this.tensorflow.hostTensor(type, shape, elements);
    try {
      const operation = this.#operation('Const', `Const_${this.#nodes++}`, (node) => {
        api.TF_SetAttrTensor(node, 'value', tensor, status);
        this.tensorflow.check('Const');
        api.TF_SetAttrType(node, 'dtype', type);
      });
      const value = this.#value({ oper: operation, index: 0 }, type, shape);
      if (key !== null) this.#constants.set(key, value);
      if (isNumbers(elements)) this.#numbers.set(operation, fixedNumbers(elements, shape));
      return value;
    } finally {
      api.TF_DeleteTensor(tensor);
    }
  }

  #value(output: Output, type: TfType, shape: readonly number[] | null): GraphValue {
    return { kind: 'graph', graph: this, output, shape, type };
  }

  #outputOf(value: Value): Output {
    if (value.kind === 'eager' || value.graph !== this) {
      throw new Error(
        'a step used a tensor that was made outside of it; pass it in as an input or keep it as state',
      );
    }
    return value.output;
  }

  #add(
    name: string,
    inputs: readonly (Value | readonly Value[])[],
    attributes: Attributes,
    after: readonly Address[],
    unknownShape = false,
  ): readonly GraphValue[] {
    const { api } = this.tensorflow.library;
    const definition = this.tensorflow.definition(name);
    this.ops.set(name, (this.ops.get(name) ?? 0) + 1);
    const given = inputs.map((input) =>
      isList(input) ? input.map((one) => this.#outputOf(one)) : this.#outputOf(input),
    );
    const operationName = `${name}_${this.#nodes++}`;
    if (this.#keepStacks) this.stacks.set(operationName, new Error().stack ?? '');
    const operation = this.#operation(name, operationName, (node) => {
      for (const input of given) {
        if (isOutput(input)) api.TF_AddInput(node, input);
        else api.TF_AddInputList(node, input, input.length);
      }
      setAttributes(this.#setters, node, definition, attributes);
      for (const one of after) api.TF_AddControlInput(node, one);
    });
    this.#last = operation;
    return Array.from({ length: api.TF_OperationNumOutputs(operation) }, (_, index) => {
      const output: Output = { oper: operation, index };
      const type = tfType(api.TF_OperationOutputType(output));
      return this.#value(output, type, unknownShape ? [] : this.#shapeOf(name, output, type));
    });
  }

  /** An operation as `describe` says. */
  #operation(type: string, name: string, describe: (node: Address) => void): Address {
    const { library, status } = this.tensorflow;
    const node = library.api.TF_NewOperation(this.#graph, type, name);
    try {
      describe(node);
    } catch (error) {
      // Only finishing a description frees it.
      library.api.TF_FinishOperation(node, status);
      throw error;
    }
    const operation = library.api.TF_FinishOperation(node, status);
    this.tensorflow.check(type);
    return operation;
  }

  #shapeOf(name: string, output: Output, type: TfType): readonly number[] | null {
    const { api } = this.tensorflow.library;
    const { status } = this.tensorflow;
    if (type === tf.resource) return [];
    const rank = api.TF_GraphGetTensorNumDims(this.#graph, output, status);
    this.tensorflow.check(name);
    const sizes = new BigInt64Array(Math.max(rank, 0));
    if (rank > 0) {
      api.TF_GraphGetTensorShape(this.#graph, output, sizes, rank, status);
      this.tensorflow.check(name);
    }
    // Said where the value is used: an op may have outputs that only its gradient reads.
    if (rank < 0 || sizes.some((size) => size < 0n)) return null;
    return Array.from(sizes, Number);
  }

  /** Lets ops of this graph call a function. */
  use(fn: NativeFunction): void {
    const { api } = this.tensorflow.library;
    api.TF_GraphCopyFunction(this.#graph, fn.address, null, this.tensorflow.status);
    this.tensorflow.check(`calling ${fn.name}`);
  }

  /** Makes the function and adds it to the context. With `xla` the XLA compiler compiles it when it is first called. */
  finish(name: string, outputs: readonly Value[], { xla }: { readonly xla: boolean }): NativeFunction {
    const { api } = this.tensorflow.library;
    const { status } = this.tensorflow;
    const returned = outputs.map((value) => this.#outputOf(value));
    const inputs = this.#inputs.map(({ output }) => output);
    const address = api.TF_GraphToFunctionWithControlOutputs(
      this.#graph,
      name,
      0,
      -1,
      null,
      inputs.length,
      inputs,
      returned.length,
      returned,
      null,
      this.#effects.length,
      this.#effects,
      null,
      null,
      null,
      status,
    );
    this.tensorflow.check(`compiling ${name}`);
    try {
      if (xla) {
        api.TF_FunctionSetAttrValueProto(address, '_XlaMustCompile', encodeTrue, encodeTrue.length, status);
        this.tensorflow.check(`compiling ${name}`);
      }
      api.TFE_ContextAddFunction(this.tensorflow.context, address, status);
      this.tensorflow.check(`compiling ${name}`);
      this.tensorflow.functions += 1;
      return new NativeFunction(this.tensorflow, name, address);
    } catch (error) {
      api.TF_DeleteFunction(address);
      throw error;
    }
  }

  dispose(): void {
    if (this.#freed) return;
    this.#freed = true;
    this.tensorflow.library.api.TF_DeleteGraph(this.#graph);
  }
}

// Field 5 of AttrValue (tensorflow/core/framework/attr_value.proto) is the bool.
const encodeTrue = Uint8Array.of(5 * 8, 1);

function isOutput(input: Output | readonly Output[]): input is Output {
  return !Array.isArray(input);
}
