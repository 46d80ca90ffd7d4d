/**
 * The reverse pass. Records one forward pass on the library's tape and walks it once for each objective, so that several
 * objectives share a forward pass. Unlike the library's own, it stops at integers and booleans, frees gradients as soon as
 * they are used, leaves alone what the forward pass made, and says which kernel lacks a gradient.
 */
import { engine, onesLike, type Scalar, type Tensor } from '@tensorflow/tfjs-core';
import { GradientSums } from './gradient-sums.js';
import { beginOf } from './gradients/rule.js';

type Tape = ReturnType<typeof engine>['state']['activeTape'];
type Node = Tape[number];

let backwardNode: Node | null = null;

/** The op whose gradient is computed now; null outside of the reverse pass. */
export function backwardOf(): Node | null {
  return backwardNode;
}

/** Runs `body` without recording it: no gradient passes through what it returns. */
export function offTape<T>(body: () => T): T {
  const { state } = engine();
  state.kernelDepth++;
  try {
    return body();
  } finally {
    state.kernelDepth--;
  }
}

/**
 * Gradients of each objective by each of `by`, null where an objective does not depend on one.
 *
 * @throws where a kernel between them has no gradient, naming it
 */
export function differentiateTape<T>(
  body: () => { readonly objectives: readonly Scalar[]; readonly result: T },
  by: readonly Tensor[],
): { readonly gradients: readonly (readonly (Tensor | null)[])[]; readonly result: T } {
  const { state } = engine();
  if (state.gradientDepth > 0) {
    throw new Error('a differentiation inside another one: gradients of gradients are not built yet');
  }
  let tape: Tape = [];
  state.activeTape = tape;
  state.gradientDepth++;
  try {
    const { objectives, result } = runForward(body, () => {
      tape = state.activeTape;
      state.gradientDepth--;
      state.activeTape = [];
    });
    const variable = new Set(by.map((tensor) => tensor.id));
    const dependent = dependentTensors(tape, variable);
    const gradients = objectives.map((objective) => {
      checkObjective(objective);
      return backward(tape, objective, by, dependent);
    });
    return { gradients, result };
  } finally {
    backwardNode = null;
    for (const node of tape) {
      node.saved?.forEach((saved) => saved.dispose());
    }
  }
}

function runForward<R>(body: () => R, stop: () => void): R {
  try {
    return body();
  } finally {
    stop();
  }
}

function checkObjective(objective: Tensor): void {
  if (objective.size !== 1 || objective.dtype !== 'float32') {
    throw new Error(
      `an objective must be one f32 number, but a ${objective.dtype} of shape [${objective.shape.join(', ')}] arrived; reduce it with mean or sum`,
    );
  }
}

/** Identities of the tensors that depend on one of `variable` through floats. */
function dependentTensors(tape: Tape, variable: ReadonlySet<number>): ReadonlySet<number> {
  const dependent = new Set(variable);
  for (const node of tape) {
    if (Object.values(node.inputs).some((input) => dependent.has(input.id))) {
      for (const output of node.outputs) {
        if (output.dtype === 'float32') {
          dependent.add(output.id);
        }
      }
    }
  }
  return dependent;
}

function backward(
  tape: Tape,
  objective: Tensor,
  by: readonly Tensor[],
  dependent: ReadonlySet<number>,
): readonly (Tensor | null)[] {
  const gradients = new GradientSums();
  const wanted = new Set(by.map((tensor) => tensor.id));
  if (dependent.has(objective.id)) {
    gradients.add(objective, onesLike(objective));
  }
  for (let i = tape.length - 1; i >= 0; i--) {
    const node = tape[i];
    if (node !== undefined && node.outputs.some((output) => gradients.has(output.id))) {
      stepBack(node, gradients, dependent, wanted);
    }
  }
  return by.map((tensor) => gradients.get(tensor.id) ?? null);
}

/** Moves the gradients of one node's outputs to its inputs. */
function stepBack(
  node: Node,
  gradients: GradientSums,
  dependent: ReadonlySet<number>,
  wanted: ReadonlySet<number>,
): void {
  const names = Object.entries(node.inputs)
    .filter(([, input]) => dependent.has(input.id))
    .map(([name]) => name);
  const outgoing = node.outputs.map((output) => gradients.get(output.id));
  if (names.length > 0) {
    backwardNode = node;
    const found = engine().tidy(() => inputGradients(node, names, outgoing));
    backwardNode = null;
    names.forEach((name, i) => {
      const input = node.inputs[name];
      const gradient = found[i];
      if (input !== undefined && gradient !== undefined) gradients.add(input, gradient);
    });
  }
  for (const output of node.outputs) {
    if (!wanted.has(output.id)) gradients.drop(output.id);
  }
}

function inputGradients(
  node: Node,
  names: readonly string[],
  outgoing: readonly (Tensor | undefined)[],
): Tensor[] {
  if (node.gradient === undefined || node.gradient === null) {
    throw new Error(
      `kernel ${node.kernelName} has no gradient; keep it out of what is minimized, or stop the gradient before it`,
    );
  }
  // The library fills in zeros where an output has no gradient; its types don't say that it takes a hole.
  const dys: Tensor[] = new Array<Tensor>(node.outputs.length);
  outgoing.forEach((gradient, i) => {
    if (gradient !== undefined) dys[i] = gradient;
  });
  const made = node.gradient(dys);
  const incoming = new Set(dys);
  const seen = new Set<Tensor>();
  return names.map((name) => {
    const make = made[name];
    if (make === undefined) {
      throw new Error(`kernel ${node.kernelName} has no gradient by its input \`${name}\``);
    }
    const gradient = make();
    const input = node.inputs[name];
    const whole = beginOf(gradient) === null;
    if (
      input === undefined ||
      gradient.dtype !== 'float32' ||
      (whole && !sameShape(gradient.shape, input.shape))
    ) {
      throw new Error(
        `the gradient of kernel ${node.kernelName} by its input \`${name}\` is a ${gradient.dtype} of shape [${gradient.shape.join(', ')}], not an f32 of shape [${input?.shape.join(', ') ?? ''}]`,
      );
    }
    // Each gradient has one owner: what passes through unchanged, or to two inputs, is copied (a new handle, no values).
    const shared = incoming.has(gradient) || seen.has(gradient);
    seen.add(gradient);
    return shared ? gradient.clone() : gradient;
  });
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}
