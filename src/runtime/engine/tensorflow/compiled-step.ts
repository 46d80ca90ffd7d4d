/** A step as a function of TensorFlow: traced once for each signature, then run with one call. */
import { engine, type Tensor } from '@tensorflow/tfjs-core';
import { duringStep } from '../current.js';
import type { CompiledStep, DType, Engine, HostTensor, StepClock } from '../engine.js';
import { elementType } from '../state-variable.js';
import { checkOutputs, refusingReads } from '../step-body.js';
import type { TensorFlowBackend } from './backend.js';
import type { Address } from './c-api.js';
import { tf } from './element-types.js';
import { Graph, type IndexRule } from './graph.js';
import { encode } from './protobuf.js';
import { clockWords, type DeviceClock } from './random.js';
import { hostTensor, storageType, storedElements, type ResourceVariable } from './resource-variable.js';
import type { TensorFlow } from './runtime.js';
import { StepState } from './step-state.js';
import { checkIndices, type EagerValue, type GraphValue, type Value } from './values.js';

export type StepBody = (inputs: readonly Tensor[]) => readonly Tensor[];

/** How a traced step is run: by TensorFlow's own kernels, or compiled by XLA; `eager` runs its ops one by one, untraced. */
export type CompileMode = 'graph' | 'xla' | 'eager';

/** What a step needs of its engine while its body runs. */
export interface StepHost {
  readonly self: Engine;
  readonly tensorflow: TensorFlow;
  readonly backend: TensorFlowBackend;
  readonly mode: CompileMode;
  /** Runs a body with this clock and state as the current ones. */
  during<T>(clock: DeviceClock, state: StepState, body: () => T): T;
}

interface Result {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

interface Traced {
  /** Shapes and types of the inputs. */
  readonly signature: string;
  /** The function's name in the context. */
  readonly name: string;
  readonly resources: readonly ResourceVariable[];
  readonly results: readonly Result[];
  readonly rules: readonly IndexRule[];
  readonly nodes: number;
}

let functions = 0;

// `ConfigProto.graph_options.rewrite_options`: a call without it skips the graph optimizer.
const optimize = encode([10, encode([10, encode([17, -1 >>> 0])])]);

export class TensorFlowStep implements CompiledStep {
  readonly #traced: Traced[] = [];

  constructor(
    private readonly host: StepHost,
    private readonly name: string,
    private readonly body: StepBody,
  ) {}

  async run(inputs: readonly HostTensor[], clock: StepClock): Promise<readonly HostTensor[]> {
    if (this.host.mode === 'eager') return this.#runEagerly(inputs, clock);
    const signature = inputs.map(({ dtype, shape }) => `${dtype}[${shape.join()}]`).join(' ');
    const traced = this.#traced.find((one) => one.signature === signature) ?? this.#trace(signature, inputs);
    return this.#call(traced, inputs, clock);
  }

  dispose(): void {
    const { tensorflow } = this.host;
    for (const { name } of this.#traced) {
      tensorflow.library.api.TFE_ContextRemoveFunction(tensorflow.context, name, tensorflow.status);
      tensorflow.check(`removing ${name}`);
    }
    this.#traced.length = 0;
  }

  #runBody(inputs: readonly Value[]): readonly Tensor[] {
    const { backend, self } = this.host;
    const tensors = inputs.map((value, index) => backend.tensor(value, `input ${index}`));
    const outputs = duringStep(self, this.name, () => refusingReads(this.name, () => this.body(tensors)));
    checkOutputs(this.name, outputs);
    return outputs;
  }

  #trace(signature: string, inputs: readonly HostTensor[]): Traced {
    const { tensorflow, backend, mode } = this.host;
    const graph = new Graph(tensorflow);
    const resources = new Map<ResourceVariable, GraphValue>();
    const resourceOf = (variable: ResourceVariable): GraphValue => {
      const known = resources.get(variable) ?? graph.resource();
      resources.set(variable, known);
      return known;
    };
    const state = new StepState(backend, (variable) =>
      graph.read(resourceOf(variable), variable.type, variable.shape),
    );
    const scope = engine();
    scope.startScope(this.name);
    try {
      const values = inputs.map(({ dtype, shape }) => graph.input(storageType(dtype), shape));
      const clock: DeviceClock = { words: graph.input(tf.i32, [4]), rowOffset: graph.input(tf.i64, []) };
      const traced = backend.with(graph, () => {
        const outputs = this.host.during(clock, state, () => this.#runBody(values));
        const results = outputs.map((output) => ({ dtype: elementType(output), shape: [...output.shape] }));
        const returned = outputs.map((output) => backend.valueFor(output));
        for (const { variable, before, value } of state.replaced()) {
          graph.effect(
            'AssignVariableOp',
            [resourceOf(variable), value],
            { dtype: variable.type },
            before?.kind === 'graph' ? [before] : [],
          );
        }
        const name = `${this.name.replaceAll(/\W/g, '_')}_${functions++}`;
        graph.finish(name, returned, { xla: mode === 'xla' });
        return { signature, name, resources: [...resources.keys()], results, rules: graph.rules, nodes: graph.nodes };
      });
      this.#traced.push(traced);
      return traced;
    } finally {
      state.dispose();
      scope.endScope();
      graph.dispose();
    }
  }

  /** Values that go into a run besides the variables: the inputs, then the clock. */
  #feed(inputs: readonly HostTensor[], clock: StepClock): readonly EagerValue[] {
    const { tensorflow } = this.host;
    const made: EagerValue[] = [];
    try {
      for (const input of inputs) {
        made.push(tensorflow.constant(storageType(input.dtype), input.shape, storedElements(input)));
      }
      made.push(tensorflow.constant(tf.i32, [4], clockWords(clock)));
      made.push(tensorflow.constant(tf.i64, [], BigInt64Array.of(BigInt(clock.rowOffset))));
      return made;
    } catch (error) {
      for (const value of made) tensorflow.free(value);
      throw error;
    }
  }

  #call(traced: Traced, inputs: readonly HostTensor[], clock: StepClock): readonly HostTensor[] {
    const { tensorflow } = this.host;
    for (const { input, count, refuse } of traced.rules) {
      const given = inputs[input];
      if (given !== undefined) checkIndices(given.values, count, refuse);
    }
    const { api } = tensorflow.library;
    const { status } = tensorflow;
    const fed = this.#feed(inputs, clock);
    const outputs: Address[] = new Array<Address>(traced.results.length).fill(null);
    try {
      const op = api.TFE_NewOp(tensorflow.context, traced.name, status);
      tensorflow.check(this.name);
      try {
        for (const { handle } of fed) api.TFE_OpAddInput(op, handle, status);
        for (const { resource } of traced.resources) api.TFE_OpAddInput(op, resource.handle, status);
        tensorflow.check(this.name);
        api.TFE_OpSetAttrString(op, 'config_proto', optimize, optimize.length);
        api.TFE_Execute(op, outputs, [outputs.length], status);
        tensorflow.check(`step ${this.name}`);
      } finally {
        api.TFE_DeleteOp(op);
      }
    } finally {
      for (const value of fed) tensorflow.free(value);
    }
    return traced.results.map(({ dtype, shape }, index) => {
      const value = tensorflow.adopt(outputs[index] ?? null);
      try {
        return hostTensor(dtype, shape, tensorflow.download(value));
      } finally {
        tensorflow.free(value);
      }
    });
  }

  #runEagerly(inputs: readonly HostTensor[], clock: StepClock): readonly HostTensor[] {
    const { tensorflow, backend } = this.host;
    const state = new StepState(backend, (variable) => {
      const [value] = tensorflow.op('ReadVariableOp', [variable.resource], { dtype: variable.type });
      if (value === undefined) throw new Error(`variable \`${variable.path}\` has no value`);
      return value;
    });
    const scope = engine();
    scope.startScope(this.name);
    const fed = this.#feed(inputs, clock);
    const words = fed.at(-2);
    const rowOffset = fed.at(-1);
    if (words === undefined || rowOffset === undefined) throw new Error('a step has no clock');
    try {
      const outputs = this.host.during({ words, rowOffset }, state, () => this.#runBody(fed.slice(0, -2)));
      const results = outputs.map((output) => {
        const value = backend.eagerOf(output);
        return hostTensor(elementType(output), output.shape, tensorflow.download(value));
      });
      for (const { variable, value } of state.replaced()) {
        tensorflow.op('AssignVariableOp', [variable.resource, value], { dtype: variable.type });
      }
      return results;
    } finally {
      state.dispose();
      // The inputs belong to the scope's tensors; the clock to nobody.
      tensorflow.free(words);
      tensorflow.free(rowOffset);
      scope.endScope();
    }
  }
}
