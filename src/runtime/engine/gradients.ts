/**
 * The gradient of every kernel that the ops use. Our own: the library's are not part of its Node build, and some of them are
 * wrong, slow on WebAssembly or fail for shapes that broadcast.
 */
import { registerGradient, type Tensor } from '@tensorflow/tfjs-core';
import { run, sizeAt } from '../ops/kernel.js';
import { elementwise } from './gradients/elementwise.js';
import { linear } from './gradients/linear.js';
import { numberAt, useRules, type Kept, type Rules } from './gradients/rule.js';
import { second, secondOfFused } from './gradients/second.js';
import { movement } from './gradients/shapes.js';

/** Kernels of every engine that have a gradient, and how it is made. */
export const gradientRules: Rules = { ...elementwise, ...movement, ...linear, ...second };

const allRules: Rules = { ...gradientRules, ...secondOfFused };

/** All kernels that have a gradient: a join's is not in the table, for it has any number of inputs. */
export const differentiableKernels: readonly string[] = [...Object.keys(allRules), 'Concat'];

let registered = false;

/** Registers the gradients; they are the same for all engines. */
export function registerGradients(): void {
  if (registered) return;
  registered = true;
  useRules(allRules);
  for (const [kernelName, rule] of Object.entries(allRules)) {
    registerGradient({
      kernelName,
      inputsToSave: [...rule.inputs],
      outputsToSave: [rule.output === true],
      gradFunc: (dy, saved, attributes) => ({
        ...rule.gradient(onlyOne(kernelName, dy), keptTensors(kernelName, saved), attributes),
      }),
    });
  }
  registerGradient({
    kernelName: 'Concat',
    saveAllInputs: true,
    gradFunc: (dy, saved, attributes) =>
      concatGradient(onlyOne('Concat', dy), saved, numberAt(attributes, 'axis')),
  });
}

/** Each part's slice of the gradient. */
function concatGradient(dy: Tensor, parts: readonly Tensor[], axis: number): Record<string, () => Tensor> {
  const made: Record<string, () => Tensor> = {};
  let from = 0;
  parts.forEach((part, i) => {
    const begin = part.shape.map((_, at) => (at === axis ? from : 0));
    made[String(i)] = () => run('Slice', { x: dy }, { begin, size: [...part.shape] });
    from += sizeAt(part.shape, axis);
  });
  return made;
}

function onlyOne(kernel: string, dy: Tensor | Tensor[]): Tensor {
  if (Array.isArray(dy)) {
    throw new Error(`kernel ${kernel} has one output, but ${dy.length} gradients arrived`);
  }
  return dy;
}

function keptTensors(kernel: string, saved: readonly Tensor[]): Kept {
  const at = (index: number): Tensor => {
    const tensor = saved[index];
    if (tensor === undefined) {
      throw new Error(`the gradient of kernel ${kernel} lacks tensor ${index} of what it kept`);
    }
    return tensor;
  };
  return {
    at,
    get output() {
      return at(saved.length - 1);
    },
  };
}
