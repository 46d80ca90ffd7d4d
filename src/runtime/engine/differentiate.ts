/**
 * The reverse pass. Records one forward pass on the library's tape and walks it once for each objective, so that several
 * objectives share a forward pass. Unlike the library's own, it stops at integers and booleans, frees gradients as soon as
 * they are used, leaves alone what the forward pass made, and says which kernel lacks a gradient. Within a forward pass the
 * same walk gives a gradient as a value: what it computes is recorded like everything else, and so has gradients itself.
 */
import { engine, onesLike, type Scalar, type Tensor } from '@tensorflow/tfjs-core';
import { run } from '../ops/kernel.js';
import { GradientSums } from './gradient-sums.js';
import { beginOf, ruleOf } from './gradients/rule.js';
import { freeKept, isRecording, offTape, withoutTape, withTape, type Node, type Tape } from './tape.js';

let backwardNode: Node | null = null;
let differentiating = false;
/** Tapes on which a gradient was taken: nodes of theirs read copies that others kept. */
const taken = new WeakSet<Tape>();

/** The op whose gradient is computed now; null outside of the reverse pass. */
export function backwardOf(): Node | null {
  return backwardNode;
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
  if (differentiating) {
    throw new Error('an update inside another one; for a gradient as a value use ops.gradient');
  }
  differentiating = true;
  try {
    const { tape, result: forward } = withTape(body);
    try {
      const { objectives, result } = forward;
      const gradients = withoutTape(() => {
        const walk = new Walk(tape, by, { copies: taken.has(tape), again: false });
        return objectives.map((objective) => walk.back(objective));
      });
      return { gradients, result };
    } finally {
      freeKept(tape);
    }
  } finally {
    backwardNode = null;
    differentiating = false;
  }
}

/**
 * The gradient of `of`, one f32 number, by `by`, as a value with gradients of its own; null where `of` does not depend on it.
 * Only where ops are recorded.
 */
export function gradientOnTape(of: Tensor, by: Tensor): Tensor | null {
  if (!isRecording()) {
    throw new Error('a gradient needs ops that are recorded: take it in an update, or within ops.recorded');
  }
  const outer = backwardNode;
  const { activeTape } = engine().state;
  const copies = taken.has(activeTape);
  taken.add(activeTape);
  try {
    const [found] = new Walk([...activeTape], [by], { copies, again: true }).back(of);
    return found ?? null;
  } finally {
    backwardNode = outer;
  }
}

function checkObjective(objective: Tensor): void {
  if (objective.size !== 1 || objective.dtype !== 'float32') {
    throw new Error(
      `an objective must be one f32 number, but a ${objective.dtype} of shape [${objective.shape.join(', ')}] arrived; reduce it with mean or sum`,
    );
  }
}

/** The copies that nodes kept of their inputs and outputs, by what they are copies of. */
function copiesOn(tape: Tape): ReadonlyMap<number, number> {
  const copies = new Map<number, number>();
  for (const { kernelName, inputs, outputs, saved } of tape) {
    const rule = ruleOf(kernelName);
    if (saved === undefined || saved.length === 0) continue;
    const kept =
      rule === undefined
        ? kernelName === 'Concat'
          ? Object.values(inputs)
          : []
        : [...rule.inputs.map((name) => inputs[name]), ...(rule.output === true ? outputs.slice(0, 1) : [])];
    kept.forEach((tensor, index) => {
      const copy = saved[index];
      if (tensor !== undefined && copy !== undefined) copies.set(copy.id, copies.get(tensor.id) ?? tensor.id);
    });
  }
  return copies;
}

interface WalkOptions {
  /** Whether nodes read copies that other nodes kept. */
  readonly copies: boolean;
  /** Whether what is computed on the way is recorded as well, and kept. */
  readonly again: boolean;
}

/** One tape, walked back from objectives. */
class Walk {
  readonly #copies: ReadonlyMap<number, number>;
  /** Identities of the tensors that depend on one of `by` through floats. */
  readonly #dependent: Set<number>;

  constructor(
    readonly tape: Tape,
    readonly by: readonly Tensor[],
    readonly options: WalkOptions,
  ) {
    this.#copies = options.copies ? copiesOn(tape) : new Map();
    this.#dependent = new Set(by.map((tensor) => tensor.id));
    for (const node of tape) {
      if (this.#namesIn(node).length === 0) continue;
      for (const output of node.outputs) {
        if (output.dtype === 'float32') this.#dependent.add(output.id);
      }
    }
  }

  #idOf(tensor: Tensor): number {
    return this.#copies.get(tensor.id) ?? tensor.id;
  }

  /** Inputs of a node that a gradient may go to. */
  #namesIn({ kernelName, inputs }: Node): readonly string[] {
    const flat = ruleOf(kernelName)?.flat ?? [];
    return Object.entries(inputs).flatMap(([name, input]) =>
      this.#dependent.has(this.#idOf(input)) && !flat.includes(name) ? [name] : [],
    );
  }

  back(objective: Tensor): readonly (Tensor | null)[] {
    checkObjective(objective);
    const gradients = new GradientSums(this.options.again);
    const wanted = new Set(this.by.map((tensor) => tensor.id));
    if (this.#dependent.has(objective.id)) {
      gradients.add(
        objective,
        offTape(() => onesLike(objective)),
      );
    }
    for (let i = this.tape.length - 1; i >= 0; i--) {
      const node = this.tape[i];
      if (node !== undefined && node.outputs.some((output) => gradients.has(output.id))) {
        this.#stepBack(node, gradients, wanted);
      }
    }
    return this.by.map((tensor) => gradients.get(tensor.id) ?? null);
  }

  /** Moves the gradients of one node's outputs to its inputs. */
  #stepBack(node: Node, gradients: GradientSums, wanted: ReadonlySet<number>): void {
    const names = this.#namesIn(node);
    const outgoing = node.outputs.map((output) => gradients.get(output.id));
    if (names.length > 0) {
      const outer = backwardNode;
      backwardNode = node;
      // What is recorded may be read when it is gone through in turn.
      const found = this.options.again
        ? inputGradients(node, names, outgoing)
        : engine().tidy(() => inputGradients(node, names, outgoing));
      backwardNode = outer;
      names.forEach((name, i) => {
        const input = node.inputs[name];
        const gradient = found[i];
        if (input !== undefined && gradient !== undefined)
          gradients.add({ id: this.#idOf(input), shape: input.shape }, gradient);
      });
    }
    for (const output of node.outputs) {
      if (!wanted.has(output.id)) gradients.drop(output.id);
    }
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
    return shared ? run('Identity', { x: gradient }) : gradient;
  });
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}
