/** The body of a step as a function of TensorFlow, and the loop that runs it several times in one call. */
import { engine, type Tensor } from '@tensorflow/tfjs-core';
import type { DType, HostTensor } from '../engine.js';
import { elementType } from '../state-variable.js';
import type { TensorFlowBackend } from './backend.js';
import type { Address } from './c-api.js';
import { tf, type TfType } from './element-types.js';
import { disposeAll, Graph, type GraphOptions, type IndexRule, type NativeFunction } from './graph.js';
import type { DeviceClock } from './random.js';
import { storageType, type ResourceVariable } from './resource-variable.js';
import { optimized } from './optimized.js';
import type { Refusals } from './refusals.js';
import type { TensorFlow } from './runtime.js';
import { StepState, type VariableAccess } from './step-state.js';
import { single, type GraphValue, type Value } from './values.js';

/** Type and shape of one tensor. */
export interface Slot {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

export interface TracedStep {
  /** The step as a function, for TensorFlow's own kernels or for XLA. */
  fn(xla: boolean): NativeFunction;
  readonly inputs: readonly Slot[];
  /** Variables that the function takes, in the order of its inputs after the clock. */
  readonly resources: readonly ResourceVariable[];
  readonly outputs: readonly Slot[];
  /** A dry run: how many values follow the outputs, one for each that it would have written. */
  readonly replaced: number;
  readonly rules: readonly IndexRule[];
  /** Whether indices are computed in the graph: XLA would hold them in bounds without a word. */
  readonly computesIndices: boolean;
  /** What ops of the graph say of an index that they refuse, by the ops' names. */
  readonly refusals: ReadonlyMap<string, Refusals>;
  /** Whether a call of TensorFlow's own kernels that fails has changed nothing. */
  readonly failsWhole: boolean;
  /** Whether a variable is changed before all is computed. */
  readonly changesEarly: boolean;
  /** How often each op occurs. */
  readonly ops: ReadonlyMap<string, number>;
  /** Where operations came from, by name; empty unless stacks were kept. */
  readonly stacks: ReadonlyMap<string, string>;
  dispose(): void;
}

function firstOf(graph: Graph, value: Value): Value {
  const flat = single(graph, 'Reshape', [value, graph.constant(tf.i32, [1], Int32Array.of(-1))]);
  const int = (one: number): Value => graph.constant(tf.i32, [1], Int32Array.of(one));
  return single(graph, 'Slice', [flat, int(0), int(1)]);
}

/** The operations of a graph that make these values. */
function operations(values: readonly Value[]): readonly Address[] {
  return values.flatMap((value) => (value.kind === 'graph' ? [value.output.oper] : []));
}

let made = 0;

/** A name that no other function of this process has. */
function freshName(step: string): string {
  return `${step.replaceAll(/\W/g, '_')}_${made++}`;
}

/**
 * Runs the body once on tensors that have no values, and makes a function of what it asked for. `body` gets the inputs, the
 * clock and the state; it returns the outputs. The function's inputs are the step's, the clock, the variables.
 */
export function traceStep(
  backend: TensorFlowBackend,
  name: string,
  inputs: readonly HostTensor[],
  options: GraphOptions,
  body: TracedBody,
): TracedStep {
  const step = traceOnce(backend, name, inputs, options, body);
  // Whether an op may refuse an index is known at the end, when a variable may have been changed in place already.
  if (!step.computesIndices || !step.changesEarly) return step;
  step.dispose();
  return traceOnce(backend, name, inputs, { ...options, atEndOnly: true }, body);
}

type TracedBody = (inputs: readonly Value[], clock: DeviceClock, state: StepState) => readonly Tensor[];

function traceOnce(
  backend: TensorFlowBackend,
  name: string,
  inputs: readonly HostTensor[],
  options: GraphOptions,
  body: TracedBody,
): TracedStep {
  const { tensorflow } = backend;
  const graph = new Graph(tensorflow, options);
  const resources = new Map<ResourceVariable, GraphValue>();
  const resourceOf = (variable: ResourceVariable): GraphValue => {
    const known = resources.get(variable) ?? graph.resource();
    resources.set(variable, known);
    return known;
  };
  /** What a step that changes nothing would have changed its variables by. */
  const unused: Value[] = [];
  /** What every change at the end of the step waits for. */
  const computed: Address[] = [];
  const access: VariableAccess<Address> = {
    load: (variable, after) =>
      graph.read(resourceOf(variable), variable.type, variable.shape, after === null ? [] : [after]),
    // What was read is read before it is replaced.
    change: (op, variables, given, attributes, reads, follows) => {
      if (options.dry === true) {
        // It is computed all the same: its first element stands for it.
        unused.push(...given);
        return null;
      }
      return graph.effect(op, [...variables.map(resourceOf), ...given], attributes, [
        ...operations(reads),
        ...follows,
        ...computed,
      ]);
    },
  };
  const state = new StepState(backend, access, options.atEndOnly);
  const scope = engine();
  scope.startScope(name);
  try {
    const values = inputs.map(({ dtype, shape }) => graph.input(storageType(dtype), shape));
    graph.clock = graph.input(tf.i32, [4]);
    const clock: DeviceClock = { words: graph.clock, rowOffset: graph.input(tf.i64, []) };
    return backend.with(graph, () => {
      const outputs = body(values, clock, state);
      const returned: Value[] = outputs.map((output) => backend.valueFor(output));
      // All is computed before anything is replaced: a step that fails, for want of memory or of an index, changes nothing.
      const failsWhole = !state.changedEarly;
      if ((failsWhole || graph.computesIndices) && options.dry !== true) {
        const all = [...operations([...returned, ...state.unwritten()]), ...graph.checks];
        computed.push(graph.effect('NoOp', [], {}, all));
      }
      state.finish();
      returned.push(...unused.map((value) => firstOf(graph, value)));
      const functions = new Map<boolean, NativeFunction>();
      const fn = (xla: boolean): NativeFunction => {
        const known = functions.get(xla) ?? graph.finish(freshName(name), returned, { xla });
        functions.set(xla, known);
        return known;
      };
      // What is wrong with the graph as a whole is said now, while the step is known.
      fn(false);
      return {
        fn,
        inputs: inputs.map(({ dtype, shape }) => ({ dtype, shape: [...shape] })),
        resources: [...resources.keys()],
        outputs: outputs.map((output) => ({ dtype: elementType(output), shape: [...output.shape] })),
        replaced: unused.length,
        rules: graph.rules,
        refusals: graph.refusals,
        failsWhole,
        computesIndices: graph.computesIndices,
        changesEarly: state.changedEarly,
        ops: graph.ops,
        stacks: graph.stacks,
        dispose: () => {
          disposeAll([...functions.values(), graph]);
        },
      };
    });
  } catch (error) {
    graph.dispose();
    throw error;
  } finally {
    state.dispose();
    scope.endScope();
  }
}

/** A loop's function, and what it is made of. */
export interface Loop {
  readonly fn: NativeFunction;
  dispose(): void;
}

/**
 * A function that runs a step n times: its inputs are n, each input of the step and each of the clock with `most` rows in
 * front, and the variables. Compiling it takes no longer for a larger `most`, and every n is the same function.
 */
export function loopOf(
  tensorflow: TensorFlow,
  name: string,
  step: TracedStep,
  most: number,
  xla: boolean,
): Loop {
  const rows: readonly { readonly type: TfType; readonly shape: readonly number[] }[] = [
    ...step.inputs.map(({ dtype, shape }) => ({ type: storageType(dtype), shape: [most, ...shape] })),
    { type: tf.i32, shape: [most, 4] },
    { type: tf.i64, shape: [most] },
  ];
  /** The variables of the loop: how many runs are done, how many there are, rows, resources. */
  const variablesOf = (graph: Graph): readonly GraphValue[] => [
    graph.input(tf.i32, []),
    graph.input(tf.i32, []),
    ...rows.map(({ type, shape }) => graph.input(type, shape)),
    ...step.resources.map(() => graph.resource()),
  ];
  const functions: NativeFunction[] = [];
  const functionOf = (make: (graph: Graph) => NativeFunction): NativeFunction => {
    const graph = new Graph(tensorflow);
    try {
      const fn = make(graph);
      functions.unshift(fn);
      return fn;
    } catch (error) {
      disposeAll(functions);
      throw error;
    } finally {
      graph.dispose();
    }
  };
  const cond = functionOf((graph) => {
    const [done, of] = variablesOf(graph);
    if (done === undefined || of === undefined) throw new Error('a loop has no counter');
    return graph.finish(freshName(`${name}_more`), [single(graph, 'Less', [done, of])], { xla: false });
  });
  const body = functionOf((graph) => {
    graph.use(step.fn(false));
    const variables = variablesOf(graph);
    const [done, ...others] = variables;
    if (done === undefined) throw new Error('a loop has no counter');
    const int = (values: readonly number[]): Value =>
      graph.constant(tf.i32, [values.length], Int32Array.from(values));
    const row = (value: Value, shape: readonly number[]): Value => {
      const zeros = shape.slice(1).map(() => 0);
      const from = single(graph, 'Pack', [
        [done, ...zeros.map((zero) => graph.constant(tf.i32, [], Int32Array.of(zero)))],
      ]);
      const part = single(graph, 'Slice', [value, from, int([1, ...shape.slice(1)])]);
      return single(graph, 'Reshape', [part, int(shape.slice(1))]);
    };
    const given = rows.map(({ shape }, index) => {
      const value = variables[index + 2];
      if (value === undefined) throw new Error('a loop lacks an input');
      return row(value, shape);
    });
    const resources = variables.slice(rows.length + 2);
    graph.effect('StatefulPartitionedCall', [[...given, ...resources]], {
      f: step.fn(false).name,
      Tout: [],
      config_proto: optimized,
    });
    const one = graph.constant(tf.i32, [], Int32Array.of(1));
    const next = single(graph, 'AddV2', [done, one]);
    const kept = others.map((value) => single(graph, 'Identity', [value]));
    return graph.finish(freshName(`${name}_again`), [next, ...kept], { xla: false });
  });
  const fn = functionOf((graph) => {
    graph.use(step.fn(false));
    graph.use(cond);
    graph.use(body);
    const count = graph.input(tf.i32, []);
    const given = rows.map(({ type, shape }) => graph.input(type, shape));
    const resources = step.resources.map(() => graph.resource());
    const zero = graph.constant(tf.i32, [], Int32Array.of(0));
    graph.effect('While', [[zero, count, ...given, ...resources]], { cond: cond.name, body: body.name });
    return graph.finish(freshName(`${name}_loop`), [], { xla });
  });
  return {
    fn,
    dispose: () => disposeAll(functions),
  };
}
