/** What holds for the body of a step on every engine: it is synchronous, and it sees no values. */
import { engine, Tensor } from '@tensorflow/tfjs-core';
import { currentStep } from './current.js';

/** Throws where a body returned something else than a list of tensors. */
export function checkOutputs(name: string, outputs: unknown): void {
  if (outputs instanceof Promise) {
    throw new Error(`step \`${name}\` returned a promise; the body of a step is synchronous`);
  }
  if (!Array.isArray(outputs) || !outputs.every((output) => output instanceof Tensor)) {
    throw new Error(`step \`${name}\` must return a list of tensors`);
  }
}

/** Runs `body` while every way to see a tensor's values throws: a traced step would freeze what it saw. */
export function refusingReads<T>(step: string, body: () => T): T {
  const device = engine();
  const { readSync, read } = device;
  let refused: Error | null = null;
  const refuse = (): never => {
    refused = new Error(
      `step \`${step}\` read the values of a tensor; compute with the tensor instead, or return it from the step`,
    );
    throw refused;
  };
  device.readSync = refuse;
  device.read = refuse;
  try {
    const result = body();
    // An asynchronous read fails in a promise that nobody may wait for.
    if (refused !== null) {
      throw refused;
    }
    return result;
  } finally {
    device.readSync = readSync;
    device.read = read;
  }
}

// `if (a < b)` with tensors compares objects and is always false: say so where a step does it.
Object.defineProperty(Tensor.prototype, Symbol.toPrimitive, {
  configurable: true,
  value(this: Tensor, hint: string): string {
    const step = currentStep();
    if (hint !== 'string' && step !== null) {
      throw new Error(
        `step \`${step}\` used a tensor as a number; compare with ops.less, ops.equal, … and choose with ops.select`,
      );
    }
    return this.toString();
  },
});
