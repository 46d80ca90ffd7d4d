/**
 * What engines on a tfjs backend have in common: variables, steps, gradients, draws. Works on whatever backend is set when
 * it is made.
 */
import { engine, type Scalar, type Tensor } from '@tensorflow/tfjs-core';
import { duringStep } from './current.js';
import { differentiateTape } from './differentiate.js';
import { failedAfter, laterBy } from './failed-call.js';
import type {
  CompiledStep,
  DrawOptions,
  DType,
  Engine,
  HostTensor,
  StateVariable,
  StepClock,
} from './engine.js';
import { endReplay, isReplayed } from './inspect.js';
import { normalValues, seededMicro, uniformValues, type DrawKey } from './philox.js';
import { DeviceVariable, elementType, toDevice, toHost } from './state-variable.js';
import { checkOutputs, refusingReads } from './step-body.js';

/** How an engine differs from the others. */
export interface DeviceOptions {
  readonly name: Engine['name'];
  readonly version: string;
  readonly notes?: readonly string[] | undefined;
  /** Makes this engine's backend the current one. */
  readonly activate: () => void;
  /** Copies values to the host. */
  readonly fetch?: (tensor: Tensor, dtype: DType) => HostTensor;
  /** Makes a tensor of drawn values. */
  readonly draw?: (kind: 'uniform' | 'normal', options: DrawOptions) => Tensor;
  /** Makes the tensor of a step's input of that number. */
  readonly input?: (host: HostTensor, index: number) => Tensor;
  readonly noteStart?: () => void;
  readonly noteOutputs?: (outputs: readonly Tensor[]) => void;
  readonly noteRead?: (path: string, value: Tensor) => void;
  readonly noteAssign?: (path: string, value: Tensor) => void;
}

export function makeDeviceEngine(options: DeviceOptions): Engine {
  const variables = new Map<string, DeviceVariable>();
  /** Values that the running step replaced, for each variable the oldest first. */
  const retired = new Map<DeviceVariable, Tensor[]>();
  let clock: StepClock | null = null;
  const fetch = options.fetch ?? toHost;
  const input = options.input ?? toDevice;
  const owner = {
    inStep: () => clock !== null,
    activate: options.activate,
    retire: (variable: DeviceVariable, value: Tensor) => {
      retired.set(variable, [...(retired.get(variable) ?? []), value]);
    },
    forget: (variable: DeviceVariable) => {
      variables.delete(variable.path);
    },
    noteRead: (variable: DeviceVariable) => options.noteRead?.(variable.path, variable.value),
    noteAssign: (variable: DeviceVariable, value: Tensor) => options.noteAssign?.(variable.path, value),
    fetch,
  };

  function runBody(
    self: Engine,
    name: string,
    body: (inputs: readonly Tensor[]) => readonly Tensor[],
    inputs: readonly HostTensor[],
    at: StepClock,
  ): readonly HostTensor[] {
    options.activate();
    const scope = engine();
    scope.startScope(name);
    options.noteStart?.();
    try {
      const outputs = duringStep(self, name, () => {
        clock = at;
        try {
          return refusingReads(name, () => body(inputs.map((host, i) => input(host, i))));
        } finally {
          clock = null;
        }
      });
      checkOutputs(name, outputs);
      options.noteOutputs?.(outputs);
      return outputs.map((output) => fetch(output, elementType(output)));
    } catch (error) {
      // A step that fails changes nothing.
      for (const [variable, [first, ...rest]] of retired) {
        if (first !== undefined) {
          variable.restore(first);
          retired.set(variable, rest);
        }
      }
      throw failedAfter(0, error);
    } finally {
      scope.endScope();
      for (const value of [...retired.values()].flat()) {
        value.dispose();
      }
      retired.clear();
    }
  }

  function key(draw: DrawOptions): DrawKey {
    if (clock === null) {
      throw new Error(`random numbers \`${draw.label}\` were drawn outside of a step`);
    }
    if (draw.seed !== undefined) {
      return { seed: draw.seed, label: draw.label, micro: seededMicro };
    }
    const size = draw.shape.reduce((product, n) => product * n, 1);
    const rowSize = draw.shape[0] === undefined || draw.shape[0] === 0 ? 0 : size / draw.shape[0];
    return {
      seed: clock.seed,
      label: draw.label,
      step: clock.step,
      micro: clock.micro,
      offset: clock.rowOffset * rowSize,
    };
  }

  function drawn(kind: 'uniform' | 'normal', draw: DrawOptions): Tensor {
    if (options.draw !== undefined) {
      return options.draw(kind, draw);
    }
    const size = draw.shape.reduce((product, n) => product * n, 1);
    const values = kind === 'uniform' ? uniformValues(key(draw), size) : normalValues(key(draw), size);
    return toDevice({ dtype: 'f32', shape: draw.shape, values });
  }

  return {
    name: options.name,
    version: options.version,
    notes: options.notes ?? [],
    needsLossScaling: false,
    computesIn: 'f32',
    traces: false,
    variable(path: string, initial: HostTensor): StateVariable {
      if (variables.has(path)) {
        throw new Error(`two variables have the path \`${path}\``);
      }
      options.activate();
      const variable = new DeviceVariable(owner, path, initial);
      variables.set(path, variable);
      return variable;
    },
    compile(name: string, body: (inputs: readonly Tensor[]) => readonly Tensor[]): CompiledStep {
      return {
        decision: null,
        atOnce: 1,
        refusesIndices: false,
        prepare: () => undefined,
        run: async (inputs, at) => runBody(this, name, body, inputs, at),
        runAll: async (runs) => {
          for (const [index, { inputs, clock: at }] of runs.entries()) {
            try {
              runBody(this, name, body, inputs, at);
            } catch (error) {
              throw laterBy(index, error);
            }
          }
        },
        inspect: async (inputs, at, log) => {
          const watched = (given: readonly Tensor[]): readonly Tensor[] =>
            log.watch(() => {
              body(given);
              return endReplay();
            });
          try {
            runBody(this, name, watched, inputs, at);
          } catch (error) {
            if (!isReplayed(error)) throw error;
          }
        },
        dispose: () => undefined,
      };
    },
    differentiate<T>(
      body: () => { readonly objectives: readonly Scalar[]; readonly result: T },
      by: readonly StateVariable[],
    ) {
      const values = by.map((variable) => variable.read());
      return differentiateTape(body, values);
    },
    uniform: (draw) => drawn('uniform', draw),
    normal: (draw) => drawn('normal', draw),
    memory() {
      const { numTensors, numBytes } = engine().memory();
      return { tensors: numTensors, bytes: numBytes };
    },
    dispose() {
      for (const variable of [...variables.values()]) {
        variable.dispose();
      }
    },
  };
}
